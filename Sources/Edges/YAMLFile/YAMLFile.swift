/// Reads a text into a tree of nodes, each with its place.
///
/// A file is data: one document, without anchors, aliases and tags. A repeated key is an error,
/// because other readers use the last one.
package enum YAMLFile {
    package static func parse(_ bytes: [UInt8]) throws(YAMLProblem) -> YAMLNode {
        let start = YAMLPosition(line: 1, column: 1)
        guard bytes.count <= YAMLLimits.bytesMax else {
            throw YAMLProblem(
                start, "the file is larger than \(YAMLLimits.bytesMax) bytes: split it")
        }
        try checkUTF8(bytes)
        guard let parser = EventParser(bytes) else {
            throw YAMLProblem(start, "cannot be read: there is not enough memory")
        }
        var builder = TreeBuilder(parser: parser)
        return try builder.document()
    }

    private static func checkUTF8(_ bytes: [UInt8]) throws(YAMLProblem) {
        guard String(validating: bytes, as: UTF8.self) == nil else { return }
        // The longest correct part shows where the wrong one begins.
        var good = 0
        var line = 1
        var column = 1
        while good < bytes.count {
            let length = scalarLength(bytes[good...])
            guard length > 0 else { break }
            if bytes[good] == UInt8(ascii: "\n") {
                line += 1
                column = 0
            }
            column += 1
            good += length
        }
        throw YAMLProblem(
            YAMLPosition(line: line, column: column),
            "these bytes are no UTF-8: save the file as UTF-8")
    }

    /// Returns the length of the character that begins here; 0 when none does.
    private static func scalarLength(_ bytes: ArraySlice<UInt8>) -> Int {
        for length in 1...4 where bytes.count >= length {
            if let text = String(validating: bytes.prefix(length), as: UTF8.self),
                text.unicodeScalars.count == 1
            {
                return length
            }
        }
        return 0
    }
}

/// Builds the tree from events.
private struct TreeBuilder: ~Copyable {
    private var parser: EventParser
    private var nodes = 0

    init(parser: consuming EventParser) { self.parser = parser }

    mutating func document() throws(YAMLProblem) -> YAMLNode {
        var event = try parser.next()
        if case .streamStart = event.kind { event = try parser.next() }
        guard case .documentStart = event.kind else {
            throw YAMLProblem(event.position, "the file is empty")
        }
        let root = try node(try parser.next(), depth: 0)
        _ = try parser.next()
        let end = try parser.next()
        guard case .streamEnd = end.kind else {
            throw YAMLProblem(
                end.position, "a second document begins: one file holds one, remove the '---'")
        }
        return root
    }

    private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLProblem) -> YAMLNode {
        try check(event, depth: depth)
        switch event.kind {
        case .scalar(let scalar):
            return YAMLNode(position: event.position, content: .scalar(scalar))
        case .sequenceStart:
            return YAMLNode(
                position: event.position, content: .sequence(try sequence(depth: depth)))
        case .mappingStart:
            return YAMLNode(position: event.position, content: .mapping(try mapping(depth: depth)))
        case .alias:
            throw YAMLProblem(
                event.position, "an alias (*name) is not read here: write the value out")
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            throw YAMLProblem(event.position, "a value is missing here")
        }
    }

    private mutating func check(_ event: YAMLEvent, depth: Int) throws(YAMLProblem) {
        nodes += 1
        if nodes > YAMLLimits.nodesMax {
            throw YAMLProblem(
                event.position,
                "the file holds more than \(YAMLLimits.nodesMax) values: split it")
        }
        if depth > YAMLLimits.depthMax {
            throw YAMLProblem(
                event.position, "values are nested deeper than \(YAMLLimits.depthMax) levels")
        }
        if event.hasAnchor {
            throw YAMLProblem(
                event.position, "an anchor (&name) is not read here: write the value out")
        }
        if event.hasTag {
            throw YAMLProblem(
                event.position, "a tag (!name) is not read here: remove it; quotes make a text")
        }
    }

    private mutating func sequence(depth: Int) throws(YAMLProblem) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try parser.next()
            if case .sequenceEnd = event.kind { return items }
            items.append(try node(event, depth: depth + 1))
        }
    }

    private mutating func mapping(depth: Int) throws(YAMLProblem) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var lines: [String: Int] = [:]
        while true {
            let event = try parser.next()
            if case .mappingEnd = event.kind { return entries }
            try check(event, depth: depth + 1)
            guard case .scalar(let key) = event.kind else {
                throw YAMLProblem(event.position, "a key is a single value, not a list or mapping")
            }
            if let line = lines[key.text] {
                throw YAMLProblem(
                    event.position,
                    "the key \(shown(key.text)) is in line \(line), too: remove one of them")
            }
            lines[key.text] = event.position.line
            let value = try node(try parser.next(), depth: depth + 1)
            entries.append(YAMLEntry(key: key.text, position: event.position, value: value))
        }
    }
}

/// Shortens foreign text for messages: one line and short.
private func shown(_ text: String) -> String {
    let line = text.unicodeScalars.prefix(60).map {
        $0.properties.generalCategory == .control ? " " : String($0)
    }
    return "\"\(line.joined())\(text.unicodeScalars.count > 60 ? "..." : "")\""
}
