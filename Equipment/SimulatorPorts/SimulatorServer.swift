internal import Glibc
internal import Primitives
internal import ServiceRuntime

private enum Steps {
    /// The length of a step, which is also the largest delay of an event.
    static let stepMilliseconds: Int32 = 2
    static let idleMilliseconds: Int32 = 20
    static let lingerNanoseconds: Int64 = 2_000_000_000
    static let flushNanoseconds: Int64 = 50_000_000
    /// The most single-byte writes to one client per step.
    static let singleBytesPerStep = 256
}

/// Serves a venue on two ports with one thread. Each step reads, advances the time, and writes.
final class SimulatorServer<Venue: SimulatedVenue> {
    private struct Client {
        let number: Int
        let descriptor: Int32
        /// Everything has been sent. Until this time the client's bytes are read and dropped, so
        /// that the last bytes reach it. `nil` while the connection is in use.
        var lingersUntil: Timestamp?
    }

    private struct Operator {
        let descriptor: Int32
        var line: [UInt8] = []
    }

    let port: UInt16
    let controlPort: UInt16
    private let listener: Int32
    private let controlListener: Int32
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    /// Both clocks at the start. The time since then is the monotonic one, which never goes back.
    private let start: (wall: Timestamp, monotonic: MonotonicTime)
    private var simulator: Venue
    private var clients: [Client] = []
    private var operators: [Operator] = []
    private var nextNumber = 1
    private var truth: LineFile?
    private var marketLog: LineFile?
    private var flushedAt = Timestamp(nanoseconds: 0)
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init(
        _ flags: SimulatorFlags, shutdown: ShutdownSignal, make: (Timestamp) -> Venue
    ) throws(SimulatorFailure) {
        self.shutdown = shutdown
        let wall = clock.now()
        start = (wall, clock.monotonic())
        truth = if let path = flags.truth { try LineFile(path) } else { nil }
        marketLog = if let path = flags.marketLog { try LineFile(path) } else { nil }
        simulator = make(wall)
        (listener, port) = try Sockets.listen(address: flags.address, port: flags.port)
        (controlListener, controlPort) = try Sockets.listen(
            address: flags.address, port: flags.controlPort)
    }

    private var now: Timestamp {
        start.wall.advanced(byNanoseconds: clock.monotonic() - start.monotonic)
    }

    /// Runs until a signal or `quit`.
    func run() throws(SimulatorFailure) {
        while !shutdown.isRequested, !simulator.isEnding {
            waitForInput()
            acceptAll()
            for place in operators.indices.reversed() { readCommands(place) }
            for place in clients.indices { readRequests(place) }
            simulator.advance(to: now)
            for place in clients.indices.reversed() { write(place) }
            try writeLogs()
            if simulator.isCrashing { try crash() }
        }
        try end()
    }

    /// Ends the process as a kill would, from a client's view. A kill from outside would lose the
    /// last lines of the logs, which are still in memory.
    private func crash() throws(SimulatorFailure) {
        try truth?.flush()
        try marketLog?.flush()
        kill(getpid(), SIGKILL)
    }

    private func end() throws(SimulatorFailure) {
        for client in clients { close(client.descriptor) }
        for each in operators { close(each.descriptor) }
        close(listener)
        close(controlListener)
        try writeLogs()
        try truth?.flush()
        try marketLog?.flush()
    }

    private func waitForInput() {
        let descriptors =
            [listener, controlListener] + clients.map(\.descriptor)
            + operators.map(\.descriptor)
        var waits = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let isBusy = !clients.isEmpty || marketLog != nil
        unsafe _ = poll(
            &waits, nfds_t(waits.count), isBusy ? Steps.stepMilliseconds : Steps.idleMilliseconds)
    }

    private func acceptAll() {
        while let descriptor = Sockets.accept(listener) {
            guard simulator.opened(nextNumber, now: now) else {
                close(descriptor)
                continue
            }
            clients.append(Client(number: nextNumber, descriptor: descriptor))
            nextNumber += 1
        }
        while let descriptor = Sockets.accept(controlListener) {
            guard operators.count < PortLimits.connectionsMax else {
                close(descriptor)
                continue
            }
            operators.append(Operator(descriptor: descriptor))
        }
    }

    // MARK: clients

    private func readRequests(_ place: Int) {
        let client = clients[place]
        switch Sockets.read(client.descriptor, into: &buffer) {
        case .nothing: break
        case .bytes(let bytes):
            guard client.lingersUntil == nil else { return }
            simulator.received(bytes, from: client.number, now: now)
        case .end:
            simulator.closed(client.number)
            clients[place].lingersUntil = Timestamp(nanoseconds: 0)
        }
    }

    private func write(_ place: Int) {
        let client = clients[place]
        if let end = client.lingersUntil {
            guard now >= end else { return }
            close(client.descriptor)
            clients.remove(at: place)
            return
        }
        for _ in 0..<Steps.singleBytesPerStep {
            let count = simulator.allowance(of: client.number, now: now)
            guard count > 0 else { break }
            let bytes = simulator.bytes(for: client.number, count: count)
            guard let written = Sockets.write(bytes, to: client.descriptor) else {
                simulator.closed(client.number)
                clients[place].lingersUntil = Timestamp(nanoseconds: 0)
                return
            }
            simulator.sent(written, to: client.number, now: now)
            if written < count { break }
        }
        if simulator.isOver(client.number) {
            simulator.closed(client.number)
            Glibc.shutdown(client.descriptor, Int32(SHUT_WR))
            clients[place].lingersUntil = now.advanced(byNanoseconds: Steps.lingerNanoseconds)
        }
    }

    // MARK: commands

    private func readCommands(_ place: Int) {
        switch Sockets.read(operators[place].descriptor, into: &buffer) {
        case .nothing: return
        case .end:
            close(operators[place].descriptor)
            operators.remove(at: place)
        case .bytes(let bytes):
            operators[place].line += bytes
            while let end = operators[place].line.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: operators[place].line[..<end], as: UTF8.self)
                operators[place].line.removeFirst(end + 1)
                let answer = simulator.control(
                    line.last == "\r" ? String(line.dropLast()) : line, now: now)
                LineFile.writeAll(Array((answer + "\n").utf8)[...], to: operators[place].descriptor)
            }
            guard operators[place].line.count > PortLimits.controlLineBytesMax else { return }
            close(operators[place].descriptor)
            operators.remove(at: place)
        }
    }

    private func writeLogs() throws(SimulatorFailure) {
        try truth?.add(simulator.takeTruth())
        try marketLog?.add(simulator.takeMarketLog())
        guard now.nanoseconds(since: flushedAt) > Steps.flushNanoseconds else { return }
        flushedAt = now
        try truth?.flush()
        try marketLog?.flush()
    }
}
