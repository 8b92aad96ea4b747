internal import CWebSockets
internal import Primitives

/// Connections to WebSocket servers, on libwebsockets. One thread owns it: it alone opens, sends
/// and closes, and everything happens inside of its calls of `work`. Another thread may only wake
/// it, by its `waker`.
///
/// Messages of all connections wait in one bounded inbox until the owner takes them.
// Safety: `service` belongs to this object from `init` to `deinit`. The library calls back only
// inside of `work`, `open` and `deinit`, on the owner's thread.
@safe
package final class WebSocketClient {
    private let configuration: WebSocketConfiguration
    private let service: UnsafeMutablePointer<shim_service>
    private var connections: [UInt: WebSocketConnection] = [:]
    private var lastNumber: UInt = 0
    private var inbox = WebSocketInbox()
    /// Whether reading was stopped because the inbox is full.
    private var isHeld = false
    /// Wakes `work` from any thread.
    package let waker: WebSocketWaker

    package init(_ configuration: WebSocketConfiguration) throws(WebSocketError) {
        self.configuration = configuration
        let made = try unsafe Self.makeService(configuration)
        unsafe service = made.service
        unsafe owner = made.owner
        waker = unsafe WebSocketWaker(service)
        // Safety: the library uses the pointer only as long as this object exists.
        unsafe owner.pointee = Unmanaged.passUnretained(self)
    }

    /// Where the callback finds this object: the library wants the address before there is one.
    private let owner: Owner
    // Safety: the object owns the memory and frees it in `deinit`; the reference in it is not
    // counted, and is cleared there.
    private typealias Owner = UnsafeMutablePointer<Unmanaged<WebSocketClient>?>

    deinit {
        waker.end()
        unsafe owner.pointee = nil
        unsafe shim_destroy(service)
        unsafe owner.deallocate()
    }

    private static func makeService(
        _ configuration: WebSocketConfiguration
    ) throws(WebSocketError) -> (
        service: UnsafeMutablePointer<shim_service>,
        owner: Owner
    ) {
        guard let proxy = WebSocketConfiguration.proxy(configuration.proxy) else {
            throw .configuration("the proxy is no name:port")
        }
        guard configuration.userAgent.isHeaderValue else {
            throw .configuration("the user agent is empty or has bytes that no header has")
        }
        let (ping, hangUp) = (configuration.pingAfter, configuration.hangUpAfter)
        guard hangUp.wholeSeconds > ping.wholeSeconds else {
            throw .configuration("hangUpAfter must be at least a second above pingAfter")
        }
        let file = configuration.caPath
        guard unsafe file.isEmpty || shim_has_certificates(file) != 0 else {
            throw .configuration("\(file) is no file of certificates that can be read")
        }
        let owner = Owner.allocate(capacity: 1)
        unsafe owner.initialize(to: nil)
        let made = unsafe proxy.host.withCString { host in
            unsafe configuration.caPath.withCString { path in
                var settings = unsafe shim_settings()
                unsafe settings.ca_path = configuration.caPath.isEmpty ? nil : path
                unsafe settings.proxy_host = host
                unsafe settings.proxy_port = UInt32(proxy.port)
                unsafe settings.connect_seconds = configuration.connectTimeout.wholeSeconds
                unsafe settings.ping_seconds = ping.wholeSeconds
                unsafe settings.hang_up_seconds = hangUp.wholeSeconds
                unsafe settings.read_bytes = configuration.readBytes
                unsafe settings.connections = UInt32(clamping: configuration.connectionsMax)
                return unsafe shim_create(&settings, onEvent, owner)
            }
        }
        guard let made = unsafe made else {
            unsafe owner.deallocate()
            throw .configuration(
                "libwebsockets does not start: is this process out of memory or files?")
        }
        return unsafe (made, owner)
    }

    // MARK: the owner's calls

    /// Returns whose address `open` needs: the server's, or the proxy's.
    package func asked(for url: WebSocketURL) -> (host: String, port: UInt16) {
        let proxy = WebSocketConfiguration.proxy(configuration.proxy)
        return proxy.flatMap { $0.host.isEmpty ? nil : $0 } ?? (url.host, url.port)
    }

    /// Begins an attempt to connect. Its outcome is an event. `address` in digits is that of
    /// `asked`; without it the name is looked up, which blocks for as long as the system's
    /// resolver takes.
    package func open(
        _ url: WebSocketURL, at address: String? = nil
    ) throws(WebSocketError) -> WebSocketID {
        let most = configuration.connectionsMax
        guard connections.count < most, leaving.count < most else {
            throw .tooMany(connectionsMax: most)
        }
        if !configuration.proxy.isEmpty, !WebSocketConfiguration.canAskProxy(for: url.host) {
            throw .configuration(
                "a proxy can be asked for names of at most "
                    + "\(WebSocketConfiguration.proxiedNameBytesMax) bytes")
        }
        lastNumber += 1
        let number = lastNumber
        let connection = WebSocketConnection(number: number, peer: url.peer)
        connections[number] = connection
        if let address, !configuration.proxy.isEmpty {
            let place = address.contains(":") ? "[\(address)]" : address
            unsafe shim_set_proxy(service, "\(place):\(asked(for: url).port)")
        }
        let peer = configuration.proxy.isEmpty ? address ?? url.host : url.host
        let wsi = unsafe peer.withCString { host in
            unsafe url.authority.withCString { authority in
                unsafe url.path.withCString { path in
                    unsafe shim_connect(
                        service, host, Int32(url.port), url.hasTLS ? 1 : 0, authority, path,
                        number)
                }
            }
        }
        if unsafe wsi == nil {
            // The library has called back for most failures, and then this does nothing.
            end(
                connection,
                .connect(
                    peer: url.peer,
                    reason: "the name cannot be looked up, or no socket can be opened"))
        } else if !connection.isOver, unsafe connection.wsi == nil {
            unsafe connection.wsi = wsi
        }
        return WebSocketID(number: number)
    }

    /// Has a text sent. Returns false when the connection is not open, or too much waits on it.
    package func send(_ text: String, on id: WebSocketID) -> Bool {
        guard let connection = connections[id.number], connection.isOpen,
            let wsi = unsafe connection.wsi,
            connection.outboxBytes + text.utf8.count <= configuration.outboxBytesMax
        else { return false }
        connection.outboxBytes += text.utf8.count
        connection.outbox.append(Array(text.utf8))
        unsafe lws_callback_on_writable(wsi)
        return true
    }

    /// Ends a connection. Events of it that wait are dropped; those of the same `take` may follow.
    package func close(_ id: WebSocketID) {
        guard let connection = connections.removeValue(forKey: id.number) else { return }
        connection.isOver = true
        inbox.drop(id.number)
        guard let wsi = unsafe connection.wsi else { return }
        if connection.isOpen {
            unsafe leave(connection, wsi)
        } else {
            unsafe shim_hang_up(wsi)
        }
    }

    /// Has the connection's close sent. Nothing of it is reported any more.
    private func leave(_ connection: WebSocketConnection, _ wsi: OpaquePointer) {
        leaving[connection.number] = connection
        unsafe shim_leave(service, wsi)
    }

    /// Ends all connections, and waits until each server has answered its close, at most so long.
    /// Without a close a server may hold the connection for dead only after a while.
    package func closeAll(within limit: Duration) {
        for number in Array(connections.keys) { close(WebSocketID(number: number)) }
        let deadline = ContinuousClock.now + limit
        while !leaving.isEmpty, ContinuousClock.now < deadline { work(for: .milliseconds(20)) }
    }

    /// Connections that still have to send their close.
    private var leaving: [UInt: WebSocketConnection] = [:]

    /// Waits for something to happen, at most so long, and does one round of work.
    package func work(for wait: Duration) {
        resumeReading()
        let isWaiting = inbox.isEmpty
        let (seconds, attoseconds) = wait.components
        let microseconds =
            isWaiting ? min(seconds, 3_600) * 1_000_000 + attoseconds / 1_000_000_000_000 : 0
        _ = unsafe shim_work(service, microseconds)
    }

    /// Hands all events over, in order, each with its message's bytes (otherwise none).
    package func take(_ body: (WebSocketID, WebSocketEvent, RawSpan) -> Void) {
        let taken = inbox
        inbox = spare
        spare = WebSocketInbox()
        taken.each { body(WebSocketID(number: $0), $1, $2) }
        spare = taken
        spare.clear()
    }

    /// An empty inbox with room, so that none is made per turn.
    private var spare = WebSocketInbox()

    /// The bytes of messages that wait.
    package var waitingBytes: Int { inbox.byteCount }

    // MARK: back-pressure

    private func holdReading() {
        guard !isHeld, inbox.byteCount >= configuration.inboxBytesMax else { return }
        isHeld = true
        for connection in connections.values {
            if let wsi = unsafe connection.wsi, connection.isOpen {
                unsafe lws_rx_flow_control(wsi, 0)
            }
        }
    }

    private func resumeReading() {
        guard isHeld, inbox.byteCount < configuration.inboxBytesMax else { return }
        isHeld = false
        for connection in connections.values {
            if let wsi = unsafe connection.wsi, connection.isOpen {
                unsafe lws_rx_flow_control(wsi, 1)
            }
        }
    }

    // MARK: what the library reports

    /// Handles one call of the library. The result is its: 0 to go on, -1 to end the connection.
    fileprivate func handle(
        _ wsi: OpaquePointer, _ reason: lws_callback_reasons, _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        let number = unsafe UInt(shim_token(wsi))
        guard let connection = connections[number] else {
            return unsafe handleLeaving(number, wsi, reason)
        }
        if reason == LWS_CALLBACK_CLIENT_RECEIVE {
            return unsafe receive(connection, wsi, bytes)
        } else if reason == LWS_CALLBACK_CLIENT_WRITEABLE {
            return unsafe write(connection, wsi)
        } else if reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER {
            return unsafe shim_add_user_agent(
                bytes.baseAddress, bytes.count, configuration.userAgent)
        } else if reason == LWS_CALLBACK_WSI_CREATE {
            unsafe connection.wsi = wsi
        } else if reason == LWS_CALLBACK_CLIENT_ESTABLISHED {
            unsafe connection.wsi = wsi
            connection.isOpen = true
            inbox.add(number, .opened)
            if isHeld { unsafe lws_rx_flow_control(wsi, 0) }
        } else if reason == LWS_CALLBACK_CLIENT_HTTP_REDIRECT {
            // Another server is not the one that was asked for.
            return -1
        } else if reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE {
            unsafe connection.noteClose(bytes)
        } else if reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR {
            let text = unsafe String(decoding: bytes, as: UTF8.self)
            let status = unsafe Int(lws_http_client_http_response(wsi))
            unsafe connection.wsi = nil
            end(
                connection,
                status >= 400
                    ? .refused(peer: connection.peer, status: status)
                    : .connect(peer: connection.peer, reason: text.isEmpty ? "no answer" : text))
        } else if reason == LWS_CALLBACK_CLIENT_CLOSED || reason == LWS_CALLBACK_WSI_DESTROY {
            unsafe connection.wsi = nil
            // An attempt that takes too long ends without another word.
            let other: WebSocketError =
                connection.isOpen
                ? .lost(peer: connection.peer)
                : .connect(peer: connection.peer, reason: "no answer in time")
            end(connection, connection.ending ?? other)
        }
        return 0
    }

    /// Handles a connection that the owner has closed: it sends its close and ends.
    private func handleLeaving(
        _ number: UInt, _ wsi: OpaquePointer, _ reason: lws_callback_reasons
    ) -> Int32 {
        if reason == LWS_CALLBACK_CLIENT_WRITEABLE {
            let code = leaving[number]?.closeCode ?? LWS_CLOSE_STATUS_NORMAL
            unsafe lws_close_reason(wsi, code, nil, 0)
            return -1
        }
        if reason == LWS_CALLBACK_WSI_DESTROY { leaving[number] = nil }
        return reason == LWS_CALLBACK_CLIENT_ESTABLISHED ? -1 : 0
    }

    private func end(_ connection: WebSocketConnection, _ error: WebSocketError) {
        guard !connection.isOver else { return }
        connection.isOver = true
        connection.isOpen = false
        connections[connection.number] = nil
        inbox.add(connection.number, .ended(error))
    }

    private func receive(
        _ connection: WebSocketConnection, _ wsi: OpaquePointer, _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        guard connection.pieceBytes + bytes.count <= configuration.messageBytesMax else {
            unsafe refuse(
                connection, wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                .tooLarge(peer: connection.peer, bytesMax: configuration.messageBytesMax))
            return 0
        }
        let isWhole = unsafe shim_is_message_end(wsi) != 0
        if isWhole, connection.pieceBytes == 0 {
            unsafe accept(connection, wsi, bytes)
        } else {
            unsafe connection.pieces.append(contentsOf: bytes)
            if isWhole {
                unsafe connection.pieces.withUnsafeBytes { unsafe accept(connection, wsi, $0) }
                connection.pieces.removeAll(keepingCapacity: true)
            }
        }
        holdReading()
        return 0
    }

    /// Puts a whole message into the inbox, if a text is one.
    private func accept(
        _ connection: WebSocketConnection, _ wsi: OpaquePointer, _ message: UnsafeRawBufferPointer
    ) {
        let isText = unsafe lws_frame_is_binary(wsi) == 0
        guard unsafe !isText || isUTF8(message.assumingMemoryBound(to: UInt8.self).span) else {
            return unsafe refuse(
                connection, wsi, LWS_CLOSE_STATUS_INVALID_PAYLOAD,
                .invalidText(peer: connection.peer))
        }
        unsafe inbox.add(connection.number, isText: isText, message)
    }

    /// Ends a connection because of what came on it. The callback must still return 0: after
    /// another result with a close to send, the library (4.1.6) takes further bytes as if its
    /// buffer had room.
    private func refuse(
        _ connection: WebSocketConnection, _ wsi: OpaquePointer, _ code: lws_close_status,
        _ error: WebSocketError
    ) {
        connection.closeCode = code
        connection.pieces = []
        end(connection, error)
        unsafe leave(connection, wsi)
    }

    private func write(_ connection: WebSocketConnection, _ wsi: OpaquePointer) -> Int32 {
        guard let text = connection.outbox.first else { return 0 }
        connection.outbox.removeFirst()
        connection.outboxBytes -= text.count
        let room = shim_room_before()
        var buffer = [UInt8](repeating: 0, count: room) + text
        let written = unsafe buffer.withUnsafeMutableBufferPointer { whole -> Int32 in
            guard let base = whole.baseAddress else { return -1 }
            return unsafe lws_write(wsi, base + room, text.count, LWS_WRITE_TEXT)
        }
        guard Int(written) >= text.count else { return -1 }
        if !connection.outbox.isEmpty { unsafe lws_callback_on_writable(wsi) }
        return 0
    }
}

private func isUTF8(_ text: Span<UInt8>) -> Bool {
    do {
        _ = try UTF8Span(validating: text)
        return true
    } catch {
        return false
    }
}

private func onEvent(
    _ wsi: OpaquePointer?, _ reason: lws_callback_reasons, _ user: UnsafeMutableRawPointer?,
    _ input: UnsafeMutableRawPointer?, _ length: Int
) -> Int32 {
    guard let wsi = unsafe wsi, let raw = unsafe shim_owner(wsi) else { return 0 }
    // Safety: `WebSocketClient` sets the pointer, and clears it before it ends.
    let owner = unsafe raw.assumingMemoryBound(to: Unmanaged<WebSocketClient>?.self)
    guard let client = unsafe owner.pointee else { return 0 }
    let bytes = unsafe UnsafeRawBufferPointer(start: input, count: input == nil ? 0 : length)
    return unsafe client.takeUnretainedValue().handle(wsi, reason, bytes)
}

extension Duration {
    /// Whole seconds, rounded up, at least 1 and at most what libwebsockets counts.
    fileprivate var wholeSeconds: UInt32 {
        let (seconds, rest) = components
        return UInt32(clamping: min(max(1, seconds + (rest > 0 ? 1 : 0)), 65_535))
    }
}
