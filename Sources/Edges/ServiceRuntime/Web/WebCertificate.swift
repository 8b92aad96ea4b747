internal import CMicroHTTP
internal import Synchronization

/// The certificate and its key with which a `WebServer` speaks TLS, as texts in PEM.
package struct WebCertificate: Sendable {
    /// More than any chain of certificates needs.
    package static let fileBytesMax = CertificateFile.bytesMax

    /// Returns another certificate, when there is one. The thread of the server calls it.
    package typealias Successor = @Sendable () -> WebCertificate?

    private let certificate: String
    private let key: String
    package var successor: Successor?

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

    /// Returns it with the successors that its files will have. `kept` is called, once for each
    /// content, when they changed and cannot be used.
    package func following(
        _ certificate: String, key: String, kept: @escaping @Sendable () -> Void
    ) -> WebCertificate {
        let seen = Mutex((self.certificate, self.key))
        var made = self
        made.successor = {
            guard
                case .success(let first) = ConfigurationFiles.read(certificate, Self.fileBytesMax),
                case .success(let second) = ConfigurationFiles.read(key, Self.fileBytesMax)
            else { return nil }
            let texts = (
                String(decoding: first.bytes, as: UTF8.self),
                String(decoding: second.bytes, as: UTF8.self)
            )
            let isNew = seen.withLock { seen in
                defer { seen = texts }
                return seen != texts
            }
            guard isNew else { return nil }
            let next = WebCertificate(certificate: first.bytes, key: second.bytes)
            if next == nil { kept() }
            return next
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
