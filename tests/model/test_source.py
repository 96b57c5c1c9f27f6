"""What is known of an archive that is to be built."""

from __future__ import annotations

from pushd.model.source import Archive


def test_an_address_with_a_log_in_is_not_shown() -> None:
    assert "s3cret" not in repr(Archive(url="https://ada:s3cret@example.com/app.tgz", upload=None))
