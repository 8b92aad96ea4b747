internal import Glibc
import Primitives
import ServiceRuntime
import Synchronization

/// The main loop of the server's thread.
final class TickServerLoop<Venue: StoppedVenue> {
    private let stepNanoseconds: Int64 = 10_000_000

    private let listener: Listener
    private let shared: TickServer.Shared
    private let clock = SystemClock()
    private var venue: Venue
    /// The sockets of the gateway's connections, which are numbered from 1 on.
    private var clients: [Int32] = []
    private let connections: Int
    private var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
    private var script: TickScript?
    private var next = 0
    private var start: Int64 = 0
    private var sentAt: [Int64] = []
    private var steppedAt = Int64.min

    init(
        _ venue: Venue, _ listener: Listener, _ shared: TickServer.Shared, connections: Int
    ) {
        self.connections = connections
        self.venue = venue
        self.listener = listener
        self.shared = shared
    }

    deinit { clients.forEach { close($0) } }

    func run() {
        do {
            while !shared.state.withLock({ $0.isStopping }) { try turn() }
        } catch {
            shared.state.withLock { $0.failure = "\(error)" }
        }
    }

    private func turn() throws {
        takeScript()
        wait()
        if clients.count < connections, let accepted = listener.accept() {
            clients.append(accepted)
            _ = venue.opened(clients.count, now: clock.now())
        }
        for index in clients.indices { try read(index) }
        let now = clock.monotonic().nanoseconds
        if steppedAt == Int64.min || now >= steppedAt + stepNanoseconds {
            steppedAt = now
            try step()
        }
        try sendParts()
    }

    private func takeScript() {
        guard script == nil else { return }
        script = shared.state.withLock { state in
            defer { state.script = nil }
            return state.script
        }
        guard let script else { return }
        next = 0
        sentAt = []
        sentAt.reserveCapacity(script.parts.count)
        start = 0
    }

    /// Waits for the next part of the script, or for the client.
    private func wait() {
        guard script == nil || start == 0 else {
            let due = start + Int64(next) * TickScript.partNanoseconds
            var time = timespec(
                tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
            unsafe _ = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
            return
        }
        let descriptors = clients + (clients.count < connections ? [listener.descriptor] : [])
        var waits = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        unsafe _ = poll(&waits, nfds_t(waits.count), Int32(stepNanoseconds / 1_000_000))
    }

    private func read(_ index: Int) throws {
        let count = unsafe recv(clients[index], &buffer, buffer.count, Int32(MSG_DONTWAIT))
        guard count != 0 else { throw Unusable("the gateway has closed the connection") }
        guard count > 0 else { return }
        let bytes = Array(buffer[..<count])
        venue.received(bytes, from: index + 1, now: clock.now())
        let asked = venue.asked
        shared.state.withLock { $0.asked = asked }
        try step()
    }

    /// Sends what the simulator has for the gateway.
    private func step() throws {
        let now = clock.now()
        venue.advance(to: now)
        for index in clients.indices {
            let count = venue.allowance(of: index + 1, now: now)
            guard count > 0 else { continue }
            try write(Array(venue.bytes(for: index + 1, count: count))[...], to: index)
            venue.sent(count, to: index + 1, now: now)
        }
    }

    private func sendParts() throws {
        guard let script else { return }
        if start == 0 {
            for index in clients.indices { try write(script.opening[...], to: index) }
            start = clock.monotonic().nanoseconds + TickScript.partNanoseconds
        }
        while next < script.parts.count {
            let now = clock.monotonic().nanoseconds
            guard now >= start + Int64(next) * TickScript.partNanoseconds else { return }
            let from = next > 0 ? script.parts[next - 1].bytesEnd : 0
            sentAt.append(now)
            for index in clients.indices {
                try write(script.bytes[from..<script.parts[next].bytesEnd], to: index)
            }
            next += 1
        }
        self.script = nil
        shared.state.withLock { state in
            state.sentAt = sentAt
            state.isSent = true
        }
    }

    /// Waits if the receiver does not read.
    private func write(_ bytes: ArraySlice<UInt8>, to index: Int) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(clients[index], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Unusable("the gateway does not take what it is sent") }
            rest = rest.dropFirst(count)
        }
    }
}
