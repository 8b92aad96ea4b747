internal import CMicroHTTP

/// The certificate and its key with which a `WebServer` speaks TLS, as texts in PEM.
package struct WebCertificate: Sendable {
    private let certificate: String
    private let key: String

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
