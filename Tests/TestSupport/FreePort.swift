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

/// Starts a server on a free port, and waits until it is ready. It takes another port up to twice,
/// because another process may have taken the port in between.
func startedOnFreePort(
    _ start: (UInt16) throws -> ServerProcess,
    waitUntilReady: (ServerProcess, UInt16) throws -> Void
) throws -> (port: UInt16, server: ServerProcess) {
    var attempt = 1
    while true {
        let port = freePort()
        let server = try start(port)
        do {
            try waitUntilReady(server, port)
            return (port, server)
        } catch {
            if attempt == 3 { throw error }
            attempt += 1
        }
    }
}
