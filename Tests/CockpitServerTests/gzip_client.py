"""gzip_client.py PORT: reads a page and the events of a cockpit with and without gzip, by Python's zlib.

Prints one line of JSON: what came, and with how many bytes.
"""
import http.client
import json
import sys
import zlib

EVENTS = 3


def ask(path, encodings):
    link = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    link.request("GET", path, headers={"Host": "localhost"} | ({"Accept-Encoding": encodings} if encodings else {}))
    return link, link.getresponse()


def whole(path, encodings):
    link, answer = ask(path, encodings)
    body = answer.read()
    link.close()
    packed = answer.getheader("Content-Encoding")
    return {
        "packed": packed, "vary": answer.getheader("Vary"), "tag": answer.getheader("ETag"), "bytes": len(body),
        # 31: a whole gzip file, with its length and sum at the end.
        "text": (zlib.decompress(body, 31) if packed == "gzip" else body).decode(),
    }


def events(encodings):
    """Reads events as they come: each is complete before the next one is sent."""
    link, answer = ask("/events", encodings)
    packed = answer.getheader("Content-Encoding")
    unpack = zlib.decompressobj(31) if packed == "gzip" else None
    text, count, sizes = "", 0, []
    while text.count("\ndata: ") < EVENTS:
        piece = answer.read1(65_536)
        count += len(piece)
        text += (unpack.decompress(piece) if unpack else piece).decode()
        if text.endswith("\n\n"):
            sizes.append(count)
    link.close()
    return {"packed": packed, "texts": text.split("\n\n")[:EVENTS + 1], "bytes": sizes[-1]}


print(json.dumps({
    "plain": whole("/live.js", ""), "gzip": whole("/live.js", "deflate, gzip;q=0.5"),
    "refused": whole("/live.js", "gzip;q=0, br"), "small": whole("/me.json", "gzip"),
    "events": events("gzip, deflate, br"), "plain events": events(""),
}))
