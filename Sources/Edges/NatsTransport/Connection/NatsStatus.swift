internal import CNats

/// A status code of libnats. Codes that this version does not know are kept, too.
package struct NatsStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ status: natsStatus) { rawValue = status.rawValue }

    /// libnats' own text for the code. It reads beyond its table for a code that it does not have.
    package var description: String {
        guard rawValue <= NATS_MISSED_HEARTBEAT.rawValue,
            let text = unsafe natsStatus_GetText(natsStatus(rawValue: rawValue))
        else { return "status \(rawValue)" }
        return unsafe String(cString: text)
    }
}

/// Returns libnats' text about the last failed call of this thread; empty if there is none. The
/// place in its source, "(conn.c:733): ", is left out.
func lastErrorText() -> String {
    var status = NATS_OK
    guard let pointer = unsafe nats_GetLastError(&status) else { return "" }
    let text = unsafe String(cString: pointer)
    guard text.hasPrefix("("), let colon = text.firstIndex(of: " ") else { return text }
    return String(text[text.index(after: colon)...])
}
