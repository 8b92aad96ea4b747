internal import Glibc
import TestSupport

/// The environment lacks something that the benchmark needs.
struct Unusable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A listener on a loopback port that the kernel chose.
final class Listener: Sendable {
    private let listener: SilentListener

    var descriptor: Int32 { listener.descriptor }
    var port: UInt16 { listener.port }

    init() throws { listener = try SilentListener() }

    /// Returns a connection that waits to be accepted, or `nil` if there is none.
    func accept() -> Int32? {
        guard let made = listener.accept(within: 0) else { return nil }
        var yes: Int32 = 1
        unsafe setsockopt(
            made, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        return made
    }
}
