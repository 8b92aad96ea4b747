internal import CLinux
internal import Glibc
import Primitives

/// Identifies a process, and distinguishes it from a later one with the same id. It can be kept in
/// a file; use it only while `isAlive`.
package struct ProcessIdentity: Hashable, Sendable {
    package let id: Int32
    /// The kernel's clock ticks between boot and the start of the process.
    package let startTime: UInt64

    package init(id: Int32, startTime: UInt64) {
        self.id = id
        self.startTime = startTime
    }

    /// Returns the process that has this id now; `nil` when there is none.
    package init?(of id: Int32) {
        guard let found = ProcessIdentity.stat(id) else { return nil }
        self.init(id: id, startTime: found.startTime)
    }

    /// This process.
    package static var current: ProcessIdentity? { ProcessIdentity(of: getpid()) }

    /// True as long as the process itself runs. It is false for one that has ended but was not
    /// waited for, and for a successor with the same id.
    package var isAlive: Bool {
        guard let found = ProcessIdentity.stat(id) else { return false }
        return found.startTime == startTime && found.state != "Z" && found.state != "X"
    }

    /// Sends a signal to exactly this process. Returns false when it has ended or is not ours.
    package func signal(_ number: Int32) -> Bool {
        let descriptor = shim_pidfd_open(id)
        guard descriptor >= 0 else {
            // Without process descriptors (before Linux 5.3) a small race remains.
            return SystemErrorCode.current.rawValue == ENOSYS && isAlive && kill(id, number) == 0
        }
        defer { close(descriptor) }
        // The descriptor is bound to one process. This checks that it is the right one.
        return isAlive && shim_pidfd_send_signal(descriptor, number) == 0
    }

    /// Returns true when the process ends within `timeout`. It need not be a child of this one.
    package func waitUntilGone(timeout: Duration) -> Bool {
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

    /// Reads "PID (name) S ..." with the start time as the 22nd field. The name may contain
    /// anything, including spaces and brackets.
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

/// Sleeps until the descriptor's process has ended, at most for `limit`. Without a descriptor it is
/// a short sleep, and the caller checks again.
func waitForEnd(_ descriptor: Int32, atMost limit: Duration) {
    let pause = descriptor >= 0 ? limit : min(limit, .milliseconds(10))
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    unsafe poll(&wanted, 1, pause.pollMilliseconds)
}

/// Returns the first bytes of a file; `nil` when it cannot be read.
func readStart(of path: String, bytesMax: Int) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: bytesMax)
    let count = unsafe read(descriptor, &buffer, bytesMax)
    return count >= 0 ? Array(buffer[..<count]) : nil
}
