internal import Primitives

/// Events that the owner has not taken yet, in order. The bytes of all messages are in one array.
struct WebSocketInbox {
    private struct Entry {
        var number: UInt
        var event: WebSocketEvent
        var range: Range<Int>
    }

    private var entries: [Entry] = []
    private var bytes: [UInt8] = []

    var isEmpty: Bool { entries.isEmpty }
    /// What waits takes so many bytes.
    var byteCount: Int { bytes.count + entries.count * MemoryLayout<Entry>.stride }

    mutating func add(_ number: UInt, _ event: WebSocketEvent) {
        entries.append(Entry(number: number, event: event, range: 0..<0))
    }

    mutating func add(_ number: UInt, isText: Bool, _ message: UnsafeRawBufferPointer) {
        let start = bytes.count
        unsafe bytes.append(contentsOf: message)
        entries.append(
            Entry(
                number: number, event: .message(isText: isText), range: start..<bytes.count))
    }

    /// Removes the events of a connection.
    mutating func drop(_ number: UInt) {
        entries.removeAll { $0.number == number }
        if entries.isEmpty { bytes.removeAll(keepingCapacity: true) }
    }

    func each(_ body: (UInt, WebSocketEvent, RawSpan) -> Void) {
        bytes.withRawSpan { all in
            for entry in entries { body(entry.number, entry.event, all.extracting(entry.range)) }
        }
    }

    mutating func clear() {
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }
}
