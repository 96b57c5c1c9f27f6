# The release phase: it passes, unless the drill has put a file called `release-fails` beside it.
if [ -e release-fails ]; then
    sleep 1
    exit 1
fi
echo "release phase passed"
