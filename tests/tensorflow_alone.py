"""A program that knows TensorFlow alone: it runs what it is sent, a JSON string a line, and says what that printed."""

import contextlib
import io
import json
import sys
import traceback

import tensorflow

sys.modules.update(dict.fromkeys(["keras", "visionkit", "cv2", "albumentations", "PIL"]))  # importing them fails from here on

for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(json.loads(line), {"tf": tensorflow})
        except Exception:
            traceback.print_exc()
    print(json.dumps(printed.getvalue()), flush=True)
