"""People: users, groups, passwords, passkeys, sessions in a browser, the first admin."""
