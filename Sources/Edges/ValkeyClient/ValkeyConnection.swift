internal import CHiredis
internal import Glibc
internal import Primitives

/// One session with a Valkey server: single commands, or a pipeline.
///
/// It is not Sendable: one thread owns it and blocks in it. hiredis is used non-blocking; every
/// wait is a `poll` with a deadline. When it passes, or the connection is lost, the session is
/// closed and stays closed (`isUsable`): the owner makes a new one.
// Safety: the context is this object's alone: made in init, freed in `close`, never handed out.
@safe
package final class ValkeyConnection {
    package let peer: String
    /// The number of replies that were not read yet.
    package private(set) var pendingReplies = 0

    private var context: UnsafeMutablePointer<redisContext>?
    private let commandTimeout: Duration
    /// The commands that were appended and not sent.
    private var unsent = (commands: 0, bytes: 0)
    /// The bytes of hiredis' buffer that the socket has accepted already.
    private var sentBytes = 0
    /// The deadline for the replies that `advance` waits for.
    private var advanceDeadline: Deadline?

    /// Connects and authenticates. Blocks for at most the configured time. A password that the
    /// server refuses is read again, once.
    package init(_ configuration: ValkeyConfiguration) throws(ValkeyError) {
        peer = configuration.peer
        commandTimeout = configuration.commandTimeout
        try ValkeyConfiguration.check(host: configuration.host)
        let deadline = Deadline(after: configuration.connectTimeout)
        let used = configuration.renewable?.value
        do throws(ValkeyError) {
            try connect(configuration, deadline)
            try introduce(configuration, used ?? configuration.password, deadline)
        } catch {
            guard case .authentication = error, let used, let renewable = configuration.renewable,
                renewable.renew(refused: used)
            else { throw error }
            try connect(configuration, deadline)
            try introduce(configuration, renewable.value, deadline)
        }
    }

    deinit { close() }

    package var isUsable: Bool { unsafe context != nil }

    /// Closes the session. Idempotent. Commands that were appended and not sent are dropped.
    package func close() {
        guard let open = unsafe context else { return }
        unsafe redisFree(open)
        unsafe context = nil
        pendingReplies = 0
        unsent = (0, 0)
        sentBytes = 0
        advanceDeadline = nil
    }

    /// Sends one command and waits for its reply; a refused command also has a reply (`.error`).
    /// Calling it while a pipeline's replies are unread is a bug.
    @discardableResult
    package func command(_ arguments: [ValkeyArgument]) throws(ValkeyError) -> ValkeyReply {
        precondition(pendingReplies == 0, "the pipeline before has \(pendingReplies) replies left")
        append(arguments)
        return try replies(count: 1)[0]
    }

    /// Appends a command to the pipeline. Nothing is sent before `replies` or `advance`.
    package func append(_ arguments: [ValkeyArgument]) {
        precondition(!arguments.isEmpty, "a command has a name")
        // On a closed connection nothing is collected: `replies` throws that it is closed.
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
        // Safety: hiredis copies the words before it returns; every offset is inside the buffer.
        unsafe bytes.withUnsafeBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            var pointers: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                unsafe start.map { base in unsafe base + offset }
            }
            _ = unsafe redisAppendCommandArgv(
                open, Int32(clamping: words.count), &pointers, lengths)
        }
    }

    /// Appends encoded commands. Nothing is sent before `replies` or `advance`.
    package func append(_ commands: ValkeyCommands) {
        precondition(commands.isComplete, "the last command lacks words")
        guard let open = unsafe context, commands.count > 0 else { return }
        pendingReplies += commands.count
        unsent.commands += commands.count
        unsent.bytes += commands.bytes.count
        if isOverfull { return }
        // Safety: hiredis copies the bytes before it returns.
        unsafe commands.bytes.withUnsafeBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            _ = unsafe redisAppendFormattedCommand(open, start, buffer.count)
        }
    }

    /// Makes one step of a pipeline, for a thread that also has other work. It sends what the
    /// socket accepts, reads what has come, waits at most `wait` for either, and appends the
    /// complete replies to `replies`. Call it until `pendingReplies` is 0. The configured time for
    /// a command counts from the first step; when it is over the session is closed.
    package func advance(
        waitingAtMost wait: Duration, into replies: inout [ValkeyReply]
    ) throws(ValkeyError) {
        guard unsafe context != nil else { throw .closed(peer: peer) }
        try refuseOverfull()
        guard pendingReplies > 0 else { return }
        let deadline = advanceDeadline ?? Deadline(after: commandTimeout)
        advanceDeadline = deadline
        if try step(waitingAtMost: wait, deadline) { try receive("pipeline") }
        while pendingReplies > 0, let reply = try nextParsed() {
            replies.append(reply)
            pendingReplies -= 1
        }
        if pendingReplies == 0 { advanceDeadline = nil }
    }

    /// Sends what was appended and reads the next `count` replies, in the order of the commands.
    /// Failed commands have replies, too: one bad command stops no other.
    package func replies(count: Int) throws(ValkeyError) -> [ValkeyReply] {
        guard unsafe context != nil else { throw .closed(peer: peer) }
        precondition(count <= pendingReplies, "\(count) replies, but \(pendingReplies) commands")
        try refuseOverfull()
        return try exchange(
            count, count == 1 ? "command" : "pipeline", Deadline(after: commandTimeout))
    }

    private func refuseOverfull() throws(ValkeyError) {
        guard isOverfull else { return }
        let error = ValkeyError.pipelineFull(commands: unsent.commands, bytes: unsent.bytes)
        // hiredis holds the part that still fitted, and cannot remove it.
        close()
        throw error
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

    /// Authenticates, and checks that the server accepts commands.
    private func introduce(
        _ configuration: ValkeyConfiguration, _ password: String?, _ deadline: Deadline
    ) throws(ValkeyError) {
        var commands: [[ValkeyArgument]] = []
        if let password {
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

    /// Sends everything that was appended. It also reads, because a server whose answers are not
    /// read stops reading.
    private func send(_ operation: String, _ deadline: Deadline) throws(ValkeyError) {
        while try !sendSome(operation) {
            let ready = try wait(for: Int16(POLLIN | POLLOUT), operation, deadline)
            if ready & Int16(POLLIN) != 0 { try receive(operation) }
        }
    }

    /// Sends what the socket accepts, then waits for it to be ready again. Returns true when there
    /// is something to read.
    private func step(
        waitingAtMost wait: Duration, _ deadline: Deadline
    ) throws(ValkeyError) -> Bool {
        let isSent = try sendSome("pipeline")
        let events = Int16(isSent ? POLLIN : POLLIN | POLLOUT)
        let ready = try poll(for: events, "pipeline", Deadline(after: wait).millisecondsLeft ?? 0)
        guard ready == 0 else { return ready & ~Int16(POLLOUT) != 0 }
        if deadline.millisecondsLeft == nil {
            close()
            throw .timeout(operation: "pipeline", peer: peer, after: deadline.allowed)
        }
        return false
    }

    /// Writes hiredis' buffer with our own `send`, because hiredis' raises SIGPIPE when the peer
    /// has closed. Returns false when the socket accepts no more now.
    private func sendSome(_ operation: String) throws(ValkeyError) -> Bool {
        guard let open = unsafe context, let buffer = unsafe open.pointee.obuf else {
            throw .closed(peer: peer)
        }
        let count = unsafe sdslen(buffer)
        while sentBytes < count {
            let written = unsafe Glibc.send(
                open.pointee.fd, buffer + sentBytes, count - sentBytes, Int32(MSG_NOSIGNAL))
            if written > 0 {
                sentBytes += written
                continue
            }
            guard errno == EAGAIN || errno == EINTR else {
                throw lost(operation, unsafe String(cString: strerror(errno)))
            }
            return false
        }
        unsafe sdsclear(buffer)
        unsent = (0, 0)
        sentBytes = 0
        return true
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

    /// Returns the next complete reply that was received; `nil` when there is none yet.
    private func nextParsed() throws(ValkeyError) -> ValkeyReply? {
        guard let open = unsafe context else { throw .closed(peer: peer) }
        var raw: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(open.pointee.reader, &raw) == REDIS_OK else {
            let reason = unsafe text(&open.pointee.reader.pointee.errstr)
            close()
            throw .malformedReply(peer: peer, reason: reason)
        }
        guard let raw = unsafe raw else { return nil }
        // Safety: hiredis passes ownership of the reply; it is freed here, after it was copied.
        defer { unsafe freeReplyObject(raw) }
        return unsafe ValkeyReply(UnsafePointer(raw.assumingMemoryBound(to: redisReply.self)))
    }

    private func wait(
        for events: Int16, _ operation: String, _ deadline: Deadline
    ) throws(ValkeyError) -> Int16 {
        while true {
            guard unsafe context != nil else { throw .closed(peer: peer) }
            guard let milliseconds = deadline.millisecondsLeft else {
                close()
                throw .timeout(operation: operation, peer: peer, after: deadline.allowed)
            }
            let ready = try poll(for: events, operation, milliseconds)
            if ready != 0 { return ready }
        }
    }

    /// Returns the events for which the socket is ready; 0 when there were none in that time.
    private func poll(
        for events: Int16, _ operation: String, _ milliseconds: Int32
    ) throws(ValkeyError) -> Int16 {
        guard let open = unsafe context else { throw .closed(peer: peer) }
        var entry = unsafe pollfd(fd: open.pointee.fd, events: events, revents: 0)
        let ready = unsafe Glibc.poll(&entry, 1, milliseconds)
        if ready < 0, errno != EINTR {
            throw lost(operation, unsafe String(cString: strerror(errno)))
        }
        return ready > 0 ? entry.revents : 0
    }

    private func lost(_ operation: String, _ reason: String) -> ValkeyError {
        close()
        return .connectionLost(operation: operation, peer: peer, reason: reason)
    }

    private var lastMessage: String {
        guard let open = unsafe context else { return "" }
        return unsafe text(&open.pointee.errstr)
    }

    /// Reads a C array of characters that ends with a zero.
    private func text<Characters>(_ characters: inout Characters) -> String {
        // Safety: hiredis always ends its message inside the array.
        unsafe withUnsafeBytes(of: &characters) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
