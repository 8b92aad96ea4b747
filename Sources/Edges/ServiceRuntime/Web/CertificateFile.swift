internal import COpenSSL
internal import Glibc
internal import Primitives

/// When the certificates of a text in PEM end, in seconds since 1970.
package struct CertificateFile: Equatable, Sendable {
    /// More than any list of authorities needs.
    package static let bytesMax = 1_048_576
    /// Further certificates of one file are not read.
    private static let certificatesMax = 4_096

    package private(set) var firstEnd: Int64
    package private(set) var lastEnd: Int64

    /// `nil`: there is no certificate in it.
    package init?(_ text: [UInt8]) {
        var found: CertificateFile?
        unsafe text.withUnsafeBytes { bytes in
            // Safety: what is read from the bytes is released before they go.
            let source = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
            guard let source = unsafe source else { return }
            // The end of the text is noted as an error of this thread, which the next call of a
            // library of its own would take for one of its connection.
            defer {
                unsafe BIO_free(source)
                ERR_clear_error()
            }
            for _ in 0..<Self.certificatesMax {
                guard let next = unsafe PEM_read_bio_X509(source, nil, nil, nil) else { return }
                defer { unsafe X509_free(next) }
                var time = unsafe tm()
                guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(next), &time) == 1 else { continue }
                let end = Int64(unsafe timegm(&time))
                found = CertificateFile(
                    first: min(end, found?.firstEnd ?? end), last: max(end, found?.lastEnd ?? end))
            }
        }
        guard let found else { return nil }
        self = found
    }

    private init(first: Int64, last: Int64) { (firstEnd, lastEnd) = (first, last) }

    /// Reads a file. `nil`: it cannot be read, or has no certificate.
    package init?(at path: String) {
        guard case .success(let content) = ConfigurationFiles.read(path, Self.bytesMax) else {
            return nil
        }
        self.init(content.bytes)
    }
}

extension Configuration {
    /// A file of certificates that a key names.
    struct NamedCertificates {
        let key: String
        let path: String
        /// Its certificates sign others. One of them is enough, so the last one counts.
        let isAuthority: Bool
    }

    private static let (own, authorities) = (["_TLS_CERTIFICATE"], ["_TLS_CA", "_SSLROOTCERT"])

    /// The files of certificates that are set.
    var certificates: [NamedCertificates] {
        entries.compactMap { entry in
            let name = entry.key.name
            let isAuthority = Self.authorities.contains { name.hasSuffix($0) }
            guard isAuthority || Self.own.contains(where: { name.hasSuffix($0) }),
                case .text(let path) = entry.value
            else { return nil }
            return NamedCertificates(key: name, path: path, isAuthority: isAuthority)
        }
    }
}

extension MetricRegistry {
    /// Adds the ends of the certificates that the configuration names. Each scrape reads the files.
    func addCertificates(of configuration: Configuration) {
        for named in configuration.certificates {
            addCertificate(of: named.key) {
                let file = CertificateFile(at: named.path)
                return named.isAuthority ? file?.lastEnd : file?.firstEnd
            }
        }
    }

    /// Adds one that ends at `end`, in seconds since 1970, in the place of one with that name.
    /// `nil`: it is not known at present.
    package func addCertificate(
        of file: String, end: @escaping @Sendable () -> Int64?
    ) {
        let clock = SystemClock()
        let labels = [("file", file)]
        reading(
            "mds_certificate_expiry_seconds",
            "seconds until the first certificate ends of the file that a key names, of authorities "
                + "the last one; `nats-server`, `postgres-server`: that of the connected server; "
                + "absent while it is not known",
            "falls: [CertificateEnding](runbooks/Certificates.md)", labels: labels
        ) { end().map { Double($0) - Double(clock.now().nanoseconds) / 1e9 } }
    }
}
