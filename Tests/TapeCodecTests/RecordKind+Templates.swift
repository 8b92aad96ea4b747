@testable import TapeCodec

extension RecordKind {
    /// Every template that is a record's, with its kind.
    static let templates = (0...UInt16.max).compactMap { template in
        RecordKind(template: template).map { (template: template, kind: $0) }
    }
}
