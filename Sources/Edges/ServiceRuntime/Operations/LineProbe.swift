internal import Primitives

/// Sends one line to a server that answers with one line, over a plain socket. Time and size are
/// bounded.
package enum LineProbe {
    /// The most bytes of an answer; more is an error.
    package static let answerBytesMax = 65_536

    /// Returns the answer without its line end. `host` is an IP address or `localhost`. The timeout
    /// covers everything from connecting to the end of the line.
    package static func ask(
        host: String, port: UInt16, line: String, timeout: Duration
    ) throws(ServiceError) -> String {
        let place = "\(host):\(port)"
        guard let address = SocketAddress(host: host, port: port) else { throw .badAddress(host) }
        let deadline = SystemClock().deadline(after: timeout)
        let socket = try ProbeSocket(url: place, deadline: deadline, family: address.family)
        try socket.connect(to: address)
        try socket.send(Array((line + "\n").utf8))
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = try socket.receive(into: &buffer)
            guard count > 0 else {
                throw .probe(url: place, problem: "the answer ends before its line does")
            }
            answer += buffer[..<count]
            if let end = answer.firstIndex(of: UInt8(ascii: "\n")) {
                return String(decoding: answer[..<end], as: UTF8.self)
            }
            guard answer.count <= answerBytesMax else {
                throw .probe(
                    url: place, problem: "the answer has more than \(answerBytesMax) bytes")
            }
        }
    }
}
