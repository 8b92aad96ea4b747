internal import Glibc
import Primitives
import ServiceRuntime
import Synchronization

/// The main loop of the server's thread.
final class TickServerLoop<Venue: StoppedVenue> {
    private let connection = 1
    private let stepNanoseconds: Int64 = 10_000_000

    private let listener: Listener
    private let shared: TickServer.Shared
    private let clock = SystemClock()
    private var venue: Venue
    private var client: Int32 = -1
    private var buffer = [UInt8](repeating: 0, count: 64 * 1_024)
    private var script: TickScript?
    private var next = 0
    private var start: Int64 = 0
    private var sentAt: [Int64] = []
    private var steppedAt = Int64.min

    init(_ venue: Venue, _ listener: Listener, _ shared: TickServer.Shared) {
        self.venue = venue
        self.listener = listener
        self.shared = shared
    }

    deinit { if client >= 0 { close(client) } }

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
        if client < 0, let accepted = listener.accept() {
            client = accepted
            _ = venue.opened(connection, now: clock.now())
        }
        guard client >= 0 else { return }
        try read()
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
        let descriptor = client < 0 ? listener.descriptor : client
        var waits = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        unsafe _ = poll(&waits, 1, Int32(stepNanoseconds / 1_000_000))
    }

    private func read() throws {
        let count = unsafe recv(client, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        guard count != 0 else { throw Unusable("the gateway has closed the connection") }
        guard count > 0 else { return }
        let bytes = Array(buffer[..<count])
        venue.received(bytes, from: connection, now: clock.now())
        let asked = venue.asked
        shared.state.withLock { $0.asked = asked }
        try step()
    }

    /// Sends what the simulator has for the client.
    private func step() throws {
        let now = clock.now()
        venue.advance(to: now)
        let count = venue.allowance(of: connection, now: now)
        guard count > 0 else { return }
        try write(Array(venue.bytes(for: connection, count: count))[...])
        venue.sent(count, to: connection, now: now)
    }

    private func sendParts() throws {
        guard let script else { return }
        if start == 0 {
            try write(script.opening[...])
            start = clock.monotonic().nanoseconds + TickScript.partNanoseconds
        }
        while next < script.parts.count {
            let now = clock.monotonic().nanoseconds
            guard now >= start + Int64(next) * TickScript.partNanoseconds else { return }
            let from = next > 0 ? script.parts[next - 1].bytesEnd : 0
            sentAt.append(now)
            try write(script.bytes[from..<script.parts[next].bytesEnd])
            next += 1
        }
        self.script = nil
        shared.state.withLock { state in
            state.sentAt = sentAt
            state.isSent = true
        }
    }

    /// Waits if the receiver does not read.
    private func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Unusable("the gateway does not take what it is sent") }
            rest = rest.dropFirst(count)
        }
    }
}
