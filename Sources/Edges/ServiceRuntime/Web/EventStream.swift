internal import CMicroHTTP
internal import Glibc
internal import Primitives

/// One open stream of events. libmicrohttpd asks it for bytes; while it has none, its connection is
/// suspended. All of it runs on the server's thread.
// Safety: the connection's pointer is used only until the library releases this object, which it
// does before it frees the connection.
@safe
final class EventStream {
    let descriptor: Int32
    private let connection: OpaquePointer
    private let feed: EventFeed
    private let isPacked: Bool
    /// Whether the client may still have events. Asked before each.
    private let isOpen: () -> Bool
    /// Changes the connection's deadline: `true` while bytes wait for a slow reader.
    private let isSending: (Bool) -> Void
    private var sent: UInt64
    private var bytes: [UInt8]
    private var offset = 0
    private var isSuspended = false
    private var isOver = false

    init(
        _ connection: OpaquePointer, _ descriptor: Int32, _ feed: EventFeed, after id: String?,
        isPacked: Bool, isOpen: @escaping () -> Bool, isSending: @escaping (Bool) -> Void
    ) {
        unsafe self.connection = unsafe connection
        self.descriptor = descriptor
        self.feed = feed
        self.isPacked = isPacked
        self.isOpen = isOpen
        bytes = EventFeed.preamble(isPacked: isPacked)
        self.isSending = isSending
        sent = feed.number(in: id)
        feed.opened()
    }

    deinit { feed.closed() }

    /// Copies what is to be sent next. Suspends the connection when there is nothing. -1 ends the
    /// stream.
    fileprivate func read(into buffer: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
        if isOver { return -1 }
        if offset >= bytes.count {
            guard let event = feed.next(after: sent, isPacked: isPacked) else {
                isSuspended = true
                isSending(false)
                unsafe MHD_suspend_connection(connection)
                return 0
            }
            guard isOpen() else { return -1 }
            (sent, bytes, offset) = (event.number, event.bytes, 0)
            isSending(true)
        }
        let count = min(room, bytes.count - offset)
        unsafe bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe UnsafeMutableRawPointer(buffer).copyMemory(
                from: base + offset, byteCount: count)
        }
        offset += count
        return count
    }

    /// Has the library ask again. The server's thread calls it when there is a new event.
    func resume() {
        guard isSuspended else { return }
        isSuspended = false
        unsafe MHD_resume_connection(connection)
    }

    /// Ends the stream. A suspended connection may not be there when the library stops.
    func end() {
        isOver = true
        resume()
    }

    /// Returns an answer that holds this stream until its end.
    func response() -> OpaquePointer? {
        // Safety: the library returns this reference by `onFree`, also when nothing was sent.
        let reference = unsafe Unmanaged.passRetained(self)
        let answer = unsafe MHD_create_response_from_callback(
            UInt64.max, 16_384, { unsafe onRead($0, $2, $3) }, reference.toOpaque(),
            { unsafe onFree($0) })
        if unsafe answer == nil { unsafe reference.release() }
        return unsafe answer
    }
}

private func onRead(
    _ closure: UnsafeMutableRawPointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ room: Int
) -> Int {
    guard let closure = unsafe closure, let buffer = unsafe buffer else { return -1 }
    // Safety: the answer holds a reference.
    let stream = unsafe Unmanaged<EventStream>.fromOpaque(closure).takeUnretainedValue()
    return unsafe stream.read(into: buffer, room)
}

private func onFree(_ closure: UnsafeMutableRawPointer?) {
    guard let closure = unsafe closure else { return }
    // Safety: it is the reference that `response` retained.
    unsafe Unmanaged<EventStream>.fromOpaque(closure).release()
}
