internal import Glibc
internal import Primitives

/// The settings of a client.
package struct HTTPConfiguration: Sendable {
    /// The file of the system's certificates (PEM), as OpenSSL's variable names it; empty: where
    /// the library was built to look for them. The library itself does not read the variable.
    package var authorities =
        unsafe getenv("SSL_CERT_FILE").map { unsafe String(cString: $0) } ?? ""
    /// A file of certificates (PEM) that servers may also be checked against; empty: those of the
    /// system alone.
    package var caPath = ""
    /// `name:port` of a proxy that is asked by `CONNECT`; empty: none, whatever the environment
    /// says.
    package var proxy = ""
    /// What requests call this client (`User-Agent`). Some services refuse requests without it.
    package var userAgent = "tapeline"
    /// How long it may take to look up a name, to connect, and to agree on TLS.
    package var connectTimeout = Duration.seconds(5)
    /// How long a request may take, from `request` to the end of its answer.
    package var requestTimeout = Duration.seconds(30)
    /// A request ends when it is slower than `slowBytesPerSecond` for this time.
    package var slowTimeout = Duration.seconds(10)
    /// See `slowTimeout`.
    package var slowBytesPerSecond = 100
    /// The most requests that wait, run, or have an outcome that was not taken. Beyond it `request`
    /// refuses.
    package var requestsMax = 32
    /// The most requests to one server at a time, and so connections to it. Others wait.
    package var requestsPerServerMax = 4
    /// The most connections that are kept for later requests. Beyond it the oldest is closed.
    package var connectionsKeptMax = 16
    /// A larger body, also after decompression, is an error.
    package var bodyBytesMax = 8_388_608
    /// An answer with larger headers, all together, is an error.
    package var headerBytesMax = 65_536

    package init() {}

    /// Every time is cut to this.
    static let timeoutMax = Duration.seconds(86_400)

    /// Throws when the settings cannot work.
    func check() throws(HTTPError) {
        let counts = [
            ("requestsMax", requestsMax), ("requestsPerServerMax", requestsPerServerMax),
            ("connectionsKeptMax", connectionsKeptMax), ("bodyBytesMax", bodyBytesMax),
            ("headerBytesMax", headerBytesMax), ("slowBytesPerSecond", slowBytesPerSecond),
        ]
        for (name, count) in counts where !(1...Int(Int32.max)).contains(count) {
            throw .configuration("\(name) must be from 1 to \(Int32.max)")
        }
        let times = [
            ("connectTimeout", connectTimeout), ("requestTimeout", requestTimeout),
            ("slowTimeout", slowTimeout),
        ]
        for (name, time) in times where time <= .zero {
            throw .configuration("\(name) must be above 0")
        }
        guard userAgent.isHeaderValue else {
            throw .configuration("the user agent is empty or has bytes that no header has")
        }
        let place = HTTPURL.hostAndPort(proxy[...])
        guard proxy.isEmpty || place?.port != nil else {
            throw .configuration("the proxy is no name:port")
        }
    }

    /// The server of a URL, for messages.
    func peer(_ url: HTTPURL) -> String {
        proxy.isEmpty ? url.peer : "\(url.peer) by the proxy \(proxy)"
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, at least 1 and at most a day.
    var timeoutMilliseconds: Int {
        let (seconds, attoseconds) = max(.zero, min(self, HTTPConfiguration.timeoutMax)).components
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return max(1, Int(seconds * 1_000 + rest))
    }
}
