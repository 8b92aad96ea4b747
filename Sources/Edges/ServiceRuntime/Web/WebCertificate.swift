internal import CMicroHTTP
internal import COpenSSL
internal import Glibc

/// The certificate and its key with which a `WebServer` speaks TLS, as texts in PEM.
package struct WebCertificate: Sendable {
    private let certificate: String
    private let key: String
    /// When the first of the certificates ends, in seconds since 1970. `nil`: it does not say so.
    package let validUntil: Int64?

    /// `nil` when the library cannot use them: they are not PEM, or do not belong together, or the
    /// key has a password.
    package init?(certificate: [UInt8], key: [UInt8]) {
        self.certificate = String(decoding: certificate, as: UTF8.self)
        self.key = String(decoding: key, as: UTF8.self)
        validUntil = Self.end(of: certificate)
        // Only a daemon reads them. This one gets no connection.
        let probe = unsafe Self.with(self) { certificate, key in
            unsafe shim_start_daemon(
                { _, _, _, _, _, _, _, _ in .NO }, nil, nil, nil, 1, 4_096, certificate, key)
        }
        guard let probe = unsafe probe else { return nil }
        unsafe MHD_stop_daemon(probe)
    }

    private static func end(of certificate: [UInt8]) -> Int64? {
        unsafe certificate.withUnsafeBytes { bytes in
            // Safety: what is read from the bytes is released before they go.
            let source = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
            guard let source = unsafe source else { return nil }
            defer { unsafe BIO_free(source) }
            guard let first = unsafe PEM_read_bio_X509(source, nil, nil, nil) else { return nil }
            defer { unsafe X509_free(first) }
            var end = unsafe tm()
            guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(first), &end) == 1 else { return nil }
            return Int64(unsafe timegm(&end))
        }
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
