"""What can happen to a deployment: a class for each kind of event, a module for each subject."""
