"""A program that knows TensorFlow alone: it runs what it is sent, a JSON string a line, and says what that printed."""

import code
import contextlib
import io
import json
import sys

import tensorflow

sys.modules.update(dict.fromkeys(["keras", "visionkit", "cv2", "albumentations", "PIL"]))  # importing them fails from here on

for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code.InteractiveInterpreter({"tf": tensorflow}).runcode(json.loads(line))  # prints the traceback of what fails
    print(json.dumps(printed.getvalue()), flush=True)
