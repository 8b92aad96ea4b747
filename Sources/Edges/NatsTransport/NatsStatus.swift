internal import CNats

/// A status code of libnats as it came; a code that this version does not know survives, too.
public struct NatsStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ status: natsStatus) { rawValue = status.rawValue }

    /// libnats' own words for the code.
    public var description: String {
        guard let text = unsafe natsStatus_GetText(natsStatus(rawValue: rawValue)) else {
            return "status \(rawValue)"
        }
        return unsafe String(cString: text)
    }
}

/// What libnats remembers about the last failing call of this thread; empty if it says nothing.
/// The place in its source, "(conn.c:733): ", is left out.
func lastErrorText() -> String {
    var status = NATS_OK
    guard let pointer = unsafe nats_GetLastError(&status) else { return "" }
    let text = unsafe String(cString: pointer)
    guard text.hasPrefix("("), let colon = text.firstIndex(of: " ") else { return text }
    return String(text[text.index(after: colon)...])
}
