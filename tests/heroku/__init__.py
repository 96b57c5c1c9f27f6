"""The Heroku CLI of npm, unmodified, against a real daemon."""
