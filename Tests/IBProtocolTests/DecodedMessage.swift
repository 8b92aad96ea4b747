import IBProtocol
import Primitives
import Testing

/// Returns the message with these fields, which are separated by `|`.
func message(
    _ text: String, version: Int = 187, _ place: SourceLocation = #_sourceLocation
) throws -> IBMessage {
    var decoder = MessageDecoder(version: version)
    switch decoder.decode(fields(of: text)) {
    case .message(let message):
        #expect(decoder.counters.messages == 1, sourceLocation: place)
        #expect(decoder.counters.skipped == 0, sourceLocation: place)
        return message
    case let other:
        Issue.record("\(text): \(other)", sourceLocation: place)
        throw Unreadable()
    }
}

struct Unreadable: Error {}

extension MessageDecoder {
    mutating func decode(_ body: [UInt8]) -> Decoded {
        body.withRawSpan { decode($0) }
    }
}
