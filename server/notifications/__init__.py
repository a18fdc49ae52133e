"""What concerns a person: kept until it is read, pushed while they are here."""
