internal import Primitives

extension MessageDecoder {
    /// Returns the request's number in a message that `decode` skipped, so that the request can be
    /// ended with the reason that its answer cannot be read. Returns `nil` when the number itself
    /// is damaged, or the message has none.
    package func request(of frame: RawSpan) -> Int32? {
        var fields = FieldCursor(frame)
        let number = fields.number()
        guard fields.fault == nil, let id = MessageID(rawValue: number) else { return nil }
        switch id.beforeRequest {
        case .nothing: break
        case .version: fields.skip()
        case .versionBefore164: if version < 164 { fields.skip() }
        case .noRequest: return nil
        }
        let request = fields.number()
        return fields.fault == nil ? request : nil
    }
}
