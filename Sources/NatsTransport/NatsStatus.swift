import CNats

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
func lastErrorText() -> String {
    var status = NATS_OK
    guard let text = unsafe nats_GetLastError(&status) else { return "" }
    return unsafe String(cString: text)
}
