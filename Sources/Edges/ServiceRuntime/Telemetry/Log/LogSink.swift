internal import Glibc
import Synchronization

/// The destination of finished lines.
public struct LogSink: Sendable {
    /// The longest wait for a reader that does not read. After it, lines are dropped immediately
    /// until the reader reads again.
    public static let stallMillisecondsMax: Int32 = 1_000

    /// Writes one complete line with its newline. Returns `false` when it was dropped. One thread
    /// at a time calls it.
    public let write: @Sendable (_ line: [UInt8]) -> Bool

    public init(_ write: @escaping @Sendable (_ line: [UInt8]) -> Bool) { self.write = write }

    public static let standardError = LogSink(descriptor: 2)

    /// Writes to an open descriptor, which the caller keeps owning.
    public init(descriptor: Int32) {
        let output = LogDescriptor(descriptor)
        self.init { output.write($0) }
    }
}

/// `write(2)` with a deadline, because a blocking pipe whose reader hangs must not stop a service.
private final class LogDescriptor: Sendable {
    /// The most signals that may interrupt one wait before its line is dropped.
    private static let interruptionsMax = 8
    private let descriptor: Int32
    private let isStalled = Atomic<Bool>(false)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    func write(_ line: [UInt8]) -> Bool {
        guard isWritable() else { return false }
        var done = 0
        while done < line.count {
            // Safety: reads `line.count - done` bytes of the array, which outlives the call.
            let count = unsafe line.withUnsafeBytes { bytes in
                unsafe Glibc.write(
                    descriptor, bytes.baseAddress?.advanced(by: done), line.count - done)
            }
            if count > 0 {
                done += count
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN, isWritable() {
                continue
            } else {
                return false
            }
        }
        return true
    }

    /// Returns whether the line can be written. A pipe that `poll` reports as writable accepts
    /// `PIPE_BUF` bytes without blocking, which is a line.
    private func isWritable() -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let patience = isStalled.load(ordering: .relaxed) ? 0 : LogSink.stallMillisecondsMax
        for _ in 0..<Self.interruptionsMax {
            // Safety: poll reads and writes this one request.
            let ready = unsafe poll(&request, 1, patience)
            if ready < 0, errno == EINTR { continue }
            isStalled.store(ready == 0, ordering: .relaxed)
            return ready > 0 && request.revents & Int16(POLLOUT) != 0
        }
        return false
    }
}
