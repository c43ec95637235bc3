"""What people see in a browser: pages that show what the API answers, and call what it takes."""
