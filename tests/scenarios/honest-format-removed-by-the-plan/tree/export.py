FORMATS = {"json": "{}", "csv": ","}


def export(name):
    return FORMATS[name]
