"""Run the worker of the word count until Ctrl-C; several of them share the files."""

import durakit

from workflow import ACTIVITIES, wordcount_folder

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[wordcount_folder], activities=ACTIVITIES)
