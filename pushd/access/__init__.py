"""Who may do what. Every door asks here: API, git, terminals, tails.

In: a token, or a user with an action and an app. Out: a `User`, a yes or no, or `Unauthorized`, `Forbidden`, `NotFound`.
Who calls: api and receiver, before they do anything.
"""
