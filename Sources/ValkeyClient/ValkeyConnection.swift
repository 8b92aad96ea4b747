internal import CHiredis
internal import Glibc

/// One session with a Valkey server: commands one by one, or in a pipeline.
///
/// Not Sendable: one thread owns it and blocks in it. hiredis is used non-blocking; every wait is a
/// `poll` under a deadline. When it passes, or the connection is lost, the session is closed and
/// stays so (`isUsable`): the owner makes a new one.
// Safety: the context is this object's alone: made in init, freed in `close`, never handed out.
@safe
public final class ValkeyConnection {
    public let peer: String
    /// How many replies have not been read yet.
    public private(set) var pendingReplies = 0

    private var context: UnsafeMutablePointer<redisContext>?
    private let commandTimeout: Duration
    /// Of the commands that were appended and not sent.
    private var unsent = (commands: 0, bytes: 0)

    /// Blocks until connected and authenticated, at most the configured time.
    public init(_ configuration: ValkeyConfiguration) throws(ValkeyError) {
        peer = configuration.peer
        commandTimeout = configuration.commandTimeout
        guard !configuration.host.contains("://") else {
            throw .configuration(
                configuration.host.hasPrefix("rediss") || configuration.host.hasPrefix("valkeys")
                    ? ValkeyConfiguration.noTLS : "a Valkey host is a name or address, not a URL")
        }
        let deadline = Deadline(after: configuration.connectTimeout)
        try connect(configuration, deadline)
        try introduce(configuration, deadline)
    }

    deinit { close() }

    public var isUsable: Bool { unsafe context != nil }

    /// Idempotent. What was appended and not sent is forgotten.
    public func close() {
        guard let open = unsafe context else { return }
        unsafe redisFree(open)
        unsafe context = nil
        pendingReplies = 0
        unsent = (0, 0)
    }

    /// Sends one command and waits for its reply; a refused command is a reply, too (`.error`).
    /// With replies of a pipeline still to be read it is a bug.
    @discardableResult
    public func command(_ arguments: [ValkeyArgument]) throws(ValkeyError) -> ValkeyReply {
        precondition(pendingReplies == 0, "the pipeline before has \(pendingReplies) replies left")
        append(arguments)
        return try replies(count: 1)[0]
    }

    /// Adds a command to the pipeline. Nothing is sent before `replies`.
    public func append(_ arguments: [ValkeyArgument]) {
        precondition(!arguments.isEmpty, "a command has a name")
        // A closed connection collects nothing: `replies` says that it is closed.
        guard let open = unsafe context else { return }
        pendingReplies += 1
        unsent.commands += 1
        let words = arguments.map(\.encoded)
        unsent.bytes += words.reduce(0) { $0 + $1.count + 16 }
        if isOverfull { return }
        var bytes: [UInt8] = []
        let offsets = words.map { word in
            defer { bytes.append(contentsOf: word) }
            return bytes.count
        }
        bytes.append(0)
        let lengths = words.map(\.count)
        // Safety: hiredis copies the words before it returns; every offset lies in the buffer.
        unsafe bytes.withUnsafeBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            var pointers: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                unsafe start.map { base in unsafe base + offset }
            }
            _ = unsafe redisAppendCommandArgv(
                open, Int32(clamping: words.count), &pointers, lengths)
        }
    }

    /// Sends what was appended and reads the next `count` replies, in the order of the commands.
    /// The replies to commands that failed are among them: one bad command stops no other.
    public func replies(count: Int) throws(ValkeyError) -> [ValkeyReply] {
        guard unsafe context != nil else { throw .closed(peer: peer) }
        precondition(count <= pendingReplies, "\(count) replies, but \(pendingReplies) commands")
        if isOverfull {
            let error = ValkeyError.pipelineFull(commands: unsent.commands, bytes: unsent.bytes)
            // hiredis holds the part that still fitted, and cannot take it back.
            close()
            throw error
        }
        return try exchange(
            count, count == 1 ? "command" : "pipeline", Deadline(after: commandTimeout))
    }

    private var isOverfull: Bool {
        unsent.commands > ValkeyLimits.pipelineCommandsMax
            || unsent.bytes > ValkeyLimits.pipelineBytesMax
    }
}

// MARK: - Connecting

extension ValkeyConnection {
    private func connect(
        _ configuration: ValkeyConfiguration, _ deadline: Deadline
    ) throws(ValkeyError) {
        guard !configuration.host.utf8.contains(0) else {
            throw .configuration("a Valkey host holds a NUL character")
        }
        unsafe context = redisConnectNonBlock(configuration.host, Int32(configuration.port))
        guard let open = unsafe context else { throw .connect(peer: peer, reason: "out of memory") }
        guard unsafe open.pointee.err == 0 else {
            let reason = lastMessage
            close()
            throw .connect(peer: peer, reason: reason)
        }
        _ = try wait(for: Int16(POLLOUT), "connect", deadline)
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let asked = unsafe getsockopt(open.pointee.fd, SOL_SOCKET, SO_ERROR, &failure, &size)
        guard asked == 0, failure == 0 else {
            close()
            throw .connect(peer: peer, reason: unsafe String(cString: strerror(failure)))
        }
        _ = unsafe redisEnableKeepAlive(open)
    }

    /// Authenticates and proves that the server takes commands.
    private func introduce(
        _ configuration: ValkeyConfiguration, _ deadline: Deadline
    ) throws(ValkeyError) {
        var commands: [[ValkeyArgument]] = []
        if let password = configuration.password {
            let user = configuration.user.map { [ValkeyArgument.text($0)] } ?? []
            commands.append(["AUTH"] + user + [.text(password)])
        }
        if configuration.database != 0 {
            commands.append(["SELECT", .integer(Int64(configuration.database))])
        }
        if let name = configuration.clientName {
            commands.append(["CLIENT", "SETNAME", .text(name)])
        }
        commands.append(["PING"])
        for command in commands { append(command) }
        for reply in try exchange(commands.count, "connect", deadline) {
            guard let message = reply.errorMessage else { continue }
            close()
            let refusals = ["WRONGPASS", "NOAUTH", "NOPERM", "ERR AUTH"]
            throw refusals.contains(where: message.hasPrefix)
                ? .authentication(peer: peer, reason: message)
                : .connect(peer: peer, reason: message)
        }
    }
}

// MARK: - Sending and receiving

extension ValkeyConnection {
    private func exchange(
        _ count: Int, _ operation: String, _ deadline: Deadline
    ) throws(ValkeyError) -> [ValkeyReply] {
        try send(operation, deadline)
        var replies: [ValkeyReply] = []
        replies.reserveCapacity(count)
        while replies.count < count {
            if let reply = try nextParsed() {
                replies.append(reply)
                pendingReplies -= 1
                continue
            }
            _ = try wait(for: Int16(POLLIN), operation, deadline)
            try receive(operation)
        }
        return replies
    }

    /// Writes hiredis' buffer out by our own `send`, because hiredis' raises SIGPIPE when the peer
    /// has gone. It reads meanwhile: a server whose answers nobody takes stops reading.
    private func send(_ operation: String, _ deadline: Deadline) throws(ValkeyError) {
        guard let open = unsafe context, let buffer = unsafe open.pointee.obuf else {
            throw .closed(peer: peer)
        }
        let count = unsafe sdslen(buffer)
        var sent = 0
        while sent < count {
            let written = unsafe Glibc.send(
                open.pointee.fd, buffer + sent, count - sent, Int32(MSG_NOSIGNAL))
            if written > 0 {
                sent += written
                continue
            }
            guard errno == EAGAIN || errno == EINTR else {
                throw lost(operation, unsafe String(cString: strerror(errno)))
            }
            let ready = try wait(for: Int16(POLLIN | POLLOUT), operation, deadline)
            if ready & Int16(POLLIN) != 0 { try receive(operation) }
        }
        unsafe sdsclear(buffer)
        unsent = (0, 0)
    }

    private func receive(_ operation: String) throws(ValkeyError) {
        guard let open = unsafe context else { throw .closed(peer: peer) }
        guard unsafe redisBufferRead(open) == REDIS_OK else { throw lost(operation, lastMessage) }
        let buffered = unsafe open.pointee.reader.pointee.len
        guard buffered <= ValkeyLimits.replyBytesMax else {
            close()
            throw .malformedReply(
                peer: peer, reason: "more than \(ValkeyLimits.replyBytesMax) bytes")
        }
    }

    /// The next whole reply that has been received; nil when there is none yet.
    private func nextParsed() throws(ValkeyError) -> ValkeyReply? {
        guard let open = unsafe context else { throw .closed(peer: peer) }
        var raw: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(open.pointee.reader, &raw) == REDIS_OK else {
            let reason = unsafe text(&open.pointee.reader.pointee.errstr)
            close()
            throw .malformedReply(peer: peer, reason: reason)
        }
        guard let raw = unsafe raw else { return nil }
        // Safety: hiredis hands the reply over; it is freed here, after it was copied.
        defer { unsafe freeReplyObject(raw) }
        return unsafe ValkeyReply(UnsafePointer(raw.assumingMemoryBound(to: redisReply.self)))
    }

    private func wait(
        for events: Int16, _ operation: String, _ deadline: Deadline
    ) throws(ValkeyError) -> Int16 {
        while true {
            guard let open = unsafe context else { throw .closed(peer: peer) }
            guard let milliseconds = deadline.millisecondsLeft else {
                close()
                throw .timeout(operation: operation, peer: peer, after: deadline.allowed)
            }
            var entry = unsafe pollfd(fd: open.pointee.fd, events: events, revents: 0)
            let ready = unsafe poll(&entry, 1, milliseconds)
            if ready > 0 { return entry.revents }
            if ready < 0, errno != EINTR {
                throw lost(operation, unsafe String(cString: strerror(errno)))
            }
        }
    }

    private func lost(_ operation: String, _ reason: String) -> ValkeyError {
        close()
        return .connectionLost(operation: operation, peer: peer, reason: reason)
    }

    private var lastMessage: String {
        guard let open = unsafe context else { return "" }
        return unsafe text(&open.pointee.errstr)
    }

    /// A C array of characters that ends with a zero.
    private func text<Characters>(_ characters: inout Characters) -> String {
        // Safety: hiredis always ends its message inside of the array.
        unsafe withUnsafeBytes(of: &characters) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
