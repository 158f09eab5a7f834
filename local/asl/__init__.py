"""The project's interpreter of the Amazon States Language: JSONata, on a virtual or on a real clock."""
