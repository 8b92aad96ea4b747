import Glibc

/// Asks the kernel for a free port. Another process may take it before the server does, so a caller
/// that starts a server must retry with another port.
package func freePort() -> UInt16 {
    guard let (descriptor, port) = LoopbackSocket.listen() else {
        preconditionFailure("no free port for a test: errno \(errno)")
    }
    close(descriptor)
    return port
}
