internal import Primitives

/// A request by GET, or by POST where it has a body.
package struct HTTPRequest: Sendable {
    /// Together, names and values of headers take at most so many bytes.
    package static let headerBytesMax = 16_384
    /// A larger body is not sent.
    package static let bodyBytesMax = 64 << 20

    /// What is asked for.
    package var url: HTTPURL
    /// Headers that are sent in addition to those of the client.
    package var headers: [HTTPHeader]
    /// What a POST sends; `nil`: it is a GET.
    package var body: [UInt8]?
    /// The names of headers of the answer whose values are wanted.
    package var wantedHeaders: [String]
    /// The most time from `request` to the end of the answer; `nil`: that of the configuration.
    package var timeout: Duration?

    package init(
        _ url: HTTPURL, headers: [HTTPHeader] = [], body: [UInt8]? = nil,
        wantedHeaders: [String] = [], timeout: Duration? = nil
    ) {
        self.url = url
        self.headers = headers
        self.body = body
        self.wantedHeaders = wantedHeaders
        self.timeout = timeout
    }

    /// Headers that the client itself writes.
    private static let ownNames: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect",
        "upgrade", "te", "http2-settings", "user-agent",
    ]

    /// Throws when a header cannot be sent as it is.
    package func check() throws(HTTPError) {
        var bytes = 0
        for header in headers {
            bytes += header.name.utf8.count + header.value.utf8.count
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(HTTPHeader.isOfName) else {
                throw .invalid("the name of a header is empty or has bytes that no name has")
            }
            guard header.value.isHeaderValue else {
                throw .invalid("the header \(header.name) has no value, or one that cannot be sent")
            }
            guard !Self.ownNames.contains(header.name.lowercased()) else {
                throw .invalid("the client itself writes the header \(header.name)")
            }
        }
        guard body?.count ?? 0 <= Self.bodyBytesMax else {
            throw .invalid("its body has more than \(Self.bodyBytesMax) bytes")
        }
        guard bytes <= Self.headerBytesMax else {
            throw .invalid("the headers have more than \(Self.headerBytesMax) bytes")
        }
    }
}

/// A header of a request.
package struct HTTPHeader: Sendable {
    /// Such as `x-mbx-apikey`.
    package let name: String
    let value: String
    /// Whether no description may show the value.
    package let isSecret: Bool

    package init(_ name: String, _ value: String, isSecret: Bool = false) {
        self.name = name
        self.value = value
        self.isSecret = isSecret
    }

    static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}

extension HTTPHeader: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `name: value`, without a secret value.
    package var description: String { "\(name): \(isSecret ? "…" : value)" }
    /// The same.
    package var debugDescription: String { description }
    /// Shows the same.
    package var customMirror: Mirror { Mirror(self, children: ["header": description]) }
}

extension HTTPRequest: CustomStringConvertible {
    /// Shows neither a query nor a secret header.
    package var description: String {
        "\(body == nil ? "GET" : "POST") \(url)" + headers.map { " \($0)" }.joined(separator: ",")
    }
}

/// Names a request of one client.
package struct HTTPRequestID: Hashable, Sendable {
    let number: UInt64
}
