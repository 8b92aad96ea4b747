internal import Primitives
internal import VenueWeb

/// An answer of FRED before it is written as JSON or as XML.
struct FredDocument {
    enum Value {
        case text(String)
        case number(Int)
    }

    /// The members of the answer, or the attributes of its root.
    var head: [(name: String, value: Value)]
    /// The name of the root, of the list in JSON, and of an entry.
    let root: String
    let list: String
    let entry: String
    var entries: [[(name: String, value: String)]] = []
    /// Entries that are texts.
    var texts: [String] = []

    func answer(isJSON: Bool) -> HTTPAnswer { isJSON ? json : xml }

    private var json: HTTPAnswer {
        .json { writer in
            writer.object { json in
                for (name, value) in head {
                    switch value {
                    case .text(let text): json.member(name, text)
                    case .number(let number): json.member(name, number)
                    }
                }
                json.array(list) { write(to: &$0) }
            }
        }
    }

    private func write(to list: inout JSONWriter) {
        for entry in entries {
            list.object { json in for (name, value) in entry { json.member(name, value) } }
        }
        for text in texts { list.value(text) }
    }

    private var xml: HTTPAnswer {
        let attributes = head.map { name, value in
            switch value {
            case .text(let text): (name, text)
            case .number(let number): (name, "\(number)")
            }
        }
        var lines = [Self.tag(root, attributes, end: ">")]
        lines += entries.map { Self.tag(entry, $0, end: "/>") }
        lines += texts.map { "<\(entry)>\(Self.escaped($0))</\(entry)>" }
        lines.append("</\(root)>")
        return Self.xml(200, lines)
    }

    static func error(_ status: Int, _ text: String, isJSON: Bool) -> HTTPAnswer {
        guard !isJSON else {
            return .json(status) { writer in
                writer.object { json in
                    json.member("error_code", status)
                    json.member("error_message", text)
                }
            }
        }
        return xml(status, [tag("error", [("code", "\(status)"), ("message", text)], end: "/>")])
    }

    private static func xml(_ status: Int, _ lines: [String]) -> HTTPAnswer {
        let text = (["<?xml version=\"1.0\" encoding=\"utf-8\" ?>"] + lines)
            .joined(separator: "\n")
        return HTTPAnswer(
            status: status, headers: [("Content-Type", "text/xml; charset=UTF-8")],
            body: Array(text.utf8))
    }

    private static func tag(
        _ name: String, _ attributes: [(name: String, value: String)], end: String
    ) -> String {
        "<\(name)" + attributes.map { " \($0.name)=\"\(escaped($0.value))\"" }.joined() + end
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing("\"", with: "&quot;")
    }
}
