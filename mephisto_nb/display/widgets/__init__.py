"""The live displays: the widget and its front end (``js``, ``css``), and the server that answers its views."""
