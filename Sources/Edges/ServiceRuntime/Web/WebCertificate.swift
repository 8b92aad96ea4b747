internal import CMicroHTTP
internal import Synchronization

/// The certificate and its key with which a `WebServer` speaks TLS, as texts in PEM.
package struct WebCertificate: Sendable {
    /// More than any chain of certificates needs.
    package static let fileBytesMax = CertificateFile.bytesMax

    /// Gives another certificate to `use`, when there is one, until that returns true. The thread
    /// of the server calls it.
    package typealias Successor = @Sendable (_ use: (WebCertificate) -> Bool) -> Void

    private let certificate: String
    private let key: String
    package var successor: Successor?

    /// When the first of its chain ends, in seconds since 1970. `nil`: it cannot be read.
    var end: Int64? { CertificateFile(Array(certificate.utf8))?.firstEnd }

    /// `nil` when the library cannot use them: they are not PEM, or do not belong together, or the
    /// key has a password.
    package init?(certificate: [UInt8], key: [UInt8]) {
        self.certificate = String(decoding: certificate, as: UTF8.self)
        self.key = String(decoding: key, as: UTF8.self)
        // Only a daemon reads them. This one gets no connection.
        let probe = unsafe Self.with(self) { certificate, key in
            unsafe shim_start_daemon(
                { _, _, _, _, _, _, _, _ in .NO }, nil, nil, nil, 1, 4_096, certificate, key)
        }
        guard let probe = unsafe probe else { return nil }
        unsafe MHD_stop_daemon(probe)
    }

    /// Returns it with the successors that its files will have. Each is tried until it is used.
    /// `kept` is called, once for each content, when that failed.
    package func following(
        _ certificate: String, key: String, kept: @escaping @Sendable () -> Void
    ) -> WebCertificate {
        let present = (certificate: self.certificate, key: self.key)
        let state = Mutex((used: present, failed: present))
        var made = self
        made.successor = { use in
            guard
                case .success(let first) = ConfigurationFiles.read(certificate, Self.fileBytesMax),
                case .success(let second) = ConfigurationFiles.read(key, Self.fileBytesMax)
            else { return }
            let texts = (
                certificate: String(decoding: first.bytes, as: UTF8.self),
                key: String(decoding: second.bytes, as: UTF8.self)
            )
            let (used, failed) = state.withLock { $0 }
            guard texts != used else { return state.withLock { $0.failed = used } }
            let next = WebCertificate(certificate: first.bytes, key: second.bytes)
            if let next, use(next) {
                state.withLock { $0 = (texts, texts) }
            } else if texts != failed {
                state.withLock { $0.failed = texts }
                kept()
            }
        }
        return made
    }

    /// Calls `body` with both texts. The library copies what it needs of them.
    static func with<R>(
        _ certificate: WebCertificate?,
        _ body: (UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> R
    ) -> R {
        guard let certificate else { return body(nil, nil) }
        return unsafe certificate.certificate.withCString { text in
            unsafe certificate.key.withCString { unsafe body(text, $0) }
        }
    }
}

/// When the certificate ends that a server uses at present.
final class CertificateInUse: Sendable {
    private let state: Mutex<Int64?>

    init(_ certificate: WebCertificate?) { state = Mutex(certificate?.end) }

    /// In seconds since 1970. `nil`: there is none, or it cannot be read.
    var end: Int64? { state.withLock { $0 } }

    func changed(to certificate: WebCertificate) { state.withLock { $0 = certificate.end } }
}
