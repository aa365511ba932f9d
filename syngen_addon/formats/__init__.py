"""Records to the files that trainers read, one module a format; and the contact sheet."""
