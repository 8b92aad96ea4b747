internal import CLinux
internal import Glibc
import Primitives

/// A process that can be told from a later one with the same number: to be kept in a file, and to
/// be believed only as far as `isAlive`.
public struct ProcessIdentity: Hashable, Sendable {
    public let id: Int32
    /// Clock ticks between boot and the start of the process, as the kernel has it.
    public let startTime: UInt64

    public init(id: Int32, startTime: UInt64) {
        self.id = id
        self.startTime = startTime
    }

    /// The process that has this number now; nil when there is none.
    public init?(of id: Int32) {
        guard let found = ProcessIdentity.stat(id) else { return nil }
        self.init(id: id, startTime: found.startTime)
    }

    /// This process.
    public static var current: ProcessIdentity? { ProcessIdentity(of: getpid()) }

    /// True as long as the process itself runs. One that has ended but was not waited for, and a
    /// successor with the same number, do not count.
    public var isAlive: Bool {
        guard let found = ProcessIdentity.stat(id) else { return false }
        return found.startTime == startTime && found.state != "Z" && found.state != "X"
    }

    /// Sends a signal to exactly this process. False: it is gone, or not ours.
    public func signal(_ number: Int32) -> Bool {
        let descriptor = shim_pidfd_open(id)
        guard descriptor >= 0 else {
            // Without descriptors for processes (before Linux 5.3) a small gap remains.
            return SystemErrorCode.current.rawValue == ENOSYS && isAlive && kill(id, number) == 0
        }
        defer { close(descriptor) }
        // The descriptor holds on to one process; now find out whether it is the right one.
        return isAlive && shim_pidfd_send_signal(descriptor, number) == 0
    }

    /// True when the process is gone within `timeout`; it need not be a child of this one.
    public func waitUntilGone(timeout: Duration) -> Bool {
        let descriptor = shim_pidfd_open(id)
        defer { if descriptor >= 0 { close(descriptor) } }
        let deadline = SystemClock().deadline(after: timeout)
        while isAlive {
            let left = SystemClock().remaining(until: deadline)
            if left == .zero { return false }
            waitForEnd(descriptor, atMost: left)
        }
        return true
    }

    /// "PID (name) S ..." with the start time as the 22nd field. The name may hold anything,
    /// spaces and brackets, too.
    private static func stat(_ id: Int32) -> (state: Substring, startTime: UInt64)? {
        guard id > 0, let bytes = readStart(of: "/proc/\(id)/stat", bytesMax: 4_096) else {
            return nil
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        guard fields.count > 19, let startTime = UInt64(fields[19]) else { return nil }
        return (fields[0], startTime)
    }
}

/// Sleeps until the process of the descriptor has ended, at most as long as told. Without a
/// descriptor it is a short sleep, and the caller looks again.
func waitForEnd(_ descriptor: Int32, atMost limit: Duration) {
    let pause = descriptor >= 0 ? limit : min(limit, .milliseconds(10))
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    unsafe poll(&wanted, 1, pause.pollMilliseconds)
}

/// The first bytes of a file; nil when it cannot be read.
func readStart(of path: String, bytesMax: Int) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: bytesMax)
    let count = unsafe read(descriptor, &buffer, bytesMax)
    return count >= 0 ? Array(buffer[..<count]) : nil
}
