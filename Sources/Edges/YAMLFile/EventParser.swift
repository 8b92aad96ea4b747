internal import CYAML

/// libyaml's parser over its own copy of a text.
// Safety: it owns the parser and the copy of the text, frees both in `deinit`, hands out copies.
@safe
struct EventParser: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutablePointer<UInt8>
    private let count: Int

    /// Fails when there is no memory.
    init?(_ bytes: [UInt8]) {
        unsafe parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        unsafe text = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
        count = bytes.count
        for (index, byte) in bytes.enumerated() { unsafe text[index] = byte }
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            unsafe text.deallocate()
            return nil
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, text, bytes.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe text.deallocate()
    }

    mutating func next() throws(YAMLProblem) -> YAMLEvent {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw problem }
        let found = unsafe Self.plain(event)
        unsafe yaml_event_delete(&event)
        return found
    }

    private static func plain(_ event: yaml_event_t) -> YAMLEvent {
        var plain = unsafe YAMLEvent(kind: .streamStart, position: position(event.start_mark))
        switch unsafe event.type {
        case YAML_STREAM_END_EVENT: plain.kind = .streamEnd
        case YAML_DOCUMENT_START_EVENT: plain.kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: plain.kind = .documentEnd
        case YAML_ALIAS_EVENT: plain.kind = .alias
        case YAML_SCALAR_EVENT:
            plain.kind = unsafe .scalar(scalar(event))
            plain.hasAnchor = unsafe event.data.scalar.anchor != nil
            plain.hasTag = unsafe event.data.scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT:
            plain.kind = .sequenceStart
            plain.hasAnchor = unsafe event.data.sequence_start.anchor != nil
            plain.hasTag = unsafe event.data.sequence_start.tag != nil
        case YAML_SEQUENCE_END_EVENT: plain.kind = .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            plain.kind = .mappingStart
            plain.hasAnchor = unsafe event.data.mapping_start.anchor != nil
            plain.hasTag = unsafe event.data.mapping_start.tag != nil
        case YAML_MAPPING_END_EVENT: plain.kind = .mappingEnd
        default: plain.kind = .streamStart
        }
        return plain
    }

    private static func scalar(_ event: yaml_event_t) -> YAMLScalar {
        let scalar = unsafe event.data.scalar
        let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        let text = unsafe String(decoding: bytes, as: UTF8.self)
        let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
        let columns = unsafe Int(event.end_mark.column) - Int(event.start_mark.column)
        let isOneLine = unsafe event.end_mark.line == event.start_mark.line
        let quotes = isPlain ? 0 : 2
        return YAMLScalar(
            text: text, isPlain: isPlain,
            isVerbatim: isOneLine && columns == text.unicodeScalars.count + quotes)
    }

    private static func position(_ mark: yaml_mark_t) -> YAMLPosition {
        YAMLPosition(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    /// libyaml's error in its own words, which name what it expected.
    private var problem: YAMLProblem {
        let error = unsafe parser.pointee.error
        guard let words = unsafe parser.pointee.problem else {
            return YAMLProblem(
                YAMLPosition(line: 1, column: 1), "cannot be read: is there enough memory?")
        }
        var what = unsafe String(cString: words)
        if let context = unsafe parser.pointee.context {
            what = unsafe "\(String(cString: context)): \(what)"
        }
        guard error == YAML_READER_ERROR else {
            return YAMLProblem(
                unsafe Self.position(parser.pointee.problem_mark),
                "\(what): see to the indentation (blanks, no tabs), quotes and brackets here")
        }
        // libyaml's reader found the error far ahead of the parser's marks, and reports its byte.
        return YAMLProblem(
            position(ofByte: unsafe Int(clamping: parser.pointee.problem_offset)),
            "\(what): remove this character")
    }

    private func position(ofByte offset: Int) -> YAMLPosition {
        var position = YAMLPosition(line: 1, column: 1)
        for index in 0..<min(offset, count) {
            let byte = unsafe text[index]
            if byte == UInt8(ascii: "\n") {
                position = YAMLPosition(line: position.line + 1, column: 1)
            } else if byte & 0xc0 != 0x80 {
                // This is the first byte of a character.
                position.column += 1
            }
        }
        return position
    }
}
