internal import CMicroHTTP
internal import Primitives

/// The state of the callbacks of a server: the connections, their requests and their answers. All
/// of it runs on the server's thread.
final class HTTPExchange {
    var table: ConnectionTable
    let admission: WebAdmission
    private let answering: (WebRequest) -> WebAnswer
    private let feed: EventFeed?
    private var packed = PackedAnswers()
    private var peers: [Int32: String] = [:]
    private var bodies: [Int32: [UInt8]] = [:]
    private var streams: [Int32: EventStream] = [:]
    private var isEnding = false

    /// The header that says whether a client accepts gzip. Read where it was admitted.
    private static let encodings = "accept-encoding"

    init(
        limits: OperationsLimits, admission: WebAdmission, feed: EventFeed?,
        answer: @escaping (WebRequest) -> WebAnswer
    ) {
        table = ConnectionTable(limits: limits)
        self.admission = admission
        self.feed = feed
        answering = answer
    }

    func now() -> MonotonicTime { SystemClock().monotonic() }

    func opened(_ descriptor: Int32, from address: SocketAddress) {
        peers[descriptor] = address.host
    }

    func closed(_ descriptor: Int32) {
        table.closed(descriptor)
        peers[descriptor] = nil
        bodies[descriptor] = nil
        streams[descriptor] = nil
    }

    /// Forgets what belongs to the request that is over.
    func completed(_ descriptor: Int32) {
        table.answered(descriptor, at: now())
        bodies[descriptor] = nil
        streams[descriptor] = nil
    }

    /// Takes a piece of a body. One byte more than the most is kept, which shows that it is too
    /// much.
    func take(_ piece: UnsafeRawBufferPointer, for descriptor: Int32) {
        guard admission.bodyBytesMax > 0 else { return }
        let room = admission.bodyBytesMax + 1 - (bodies[descriptor]?.count ?? 0)
        unsafe bodies[descriptor, default: []].append(contentsOf: piece.prefix(max(0, room)))
    }

    func answer(
        _ method: String, _ path: String, _ headers: [String: String],
        _ parameters: [String: String], for descriptor: Int32
    ) -> WebAnswer {
        let body = bodies[descriptor] ?? []
        guard body.count <= admission.bodyBytesMax || body.isEmpty else {
            return .whole(.text("the body is too large", status: 413))
        }
        let answer = answering(
            WebRequest(
                method: method, path: path, headers: headers, parameters: parameters,
                body: body, peer: peers[descriptor] ?? ""))
        switch answer {
        case .whole(let whole):
            let response = packed.answer(whole, accepting: headers[Self.encodings])
            if table.reserve(response.body.count, for: descriptor) {
                return .whole(response)
            }
            return .whole(.text("too many answers wait for slow readers", status: 503))
        case .events(let besides, let isOpen):
            // A stream that begins at the end would be suspended when the library stops.
            guard feed != nil, !isEnding, method == "GET", streams.count < admission.streamsMax
            else {
                return .whole(.text("too many streams are open", status: 503))
            }
            let isPacked = PackedAnswers.acceptsGzip(headers[Self.encodings])
            return .events(besides + (isPacked ? [PackedAnswers.encoding] : []), isOpen: isOpen)
        }
    }

    /// Makes the stream of a connection. `nil` without a feed.
    func stream(
        _ connection: OpaquePointer, _ descriptor: Int32, _ headers: [String: String],
        isOpen: @escaping () -> Bool
    ) -> EventStream? {
        guard let feed else { return nil }
        let stream = unsafe EventStream(
            connection, descriptor, feed, after: headers["last-event-id"],
            isPacked: PackedAnswers.acceptsGzip(headers[Self.encodings]), isOpen: isOpen
        ) { [unowned self] isSending in
            table.streams(descriptor, isSending: isSending, at: now())
        }
        streams[descriptor] = stream
        return stream
    }

    /// Ends all streams, and lets no other one begin.
    func endStreams() {
        isEnding = true
        for stream in streams.values { stream.end() }
    }

    /// Ends all streams, and lets no other one begin while `body` runs.
    func withoutStreams(_ body: () -> Void) {
        endStreams()
        body()
        isEnding = false
    }

    /// Lets all streams send what is new.
    func resumeStreams() { for stream in streams.values { stream.resume() } }
}
