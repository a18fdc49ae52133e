"""What reaches people outside the app: letters with what is unread, and their telephones."""
