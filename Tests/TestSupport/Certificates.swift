import Foundation

/// Two authorities and the certificates that they sign, made by openssl.
package struct Certificates: Sendable {
    private static let openssl = "/usr/bin/openssl"

    /// Why there can be no certificates here. `nil` if there can.
    package static let obstacle: String? =
        FileManager.default.isExecutableFile(atPath: openssl)
        ? nil : "certificates are made by \(openssl), which is not there"

    private let folder: TemporaryFolder

    package func certificate(_ name: String) -> String { folder.file("\(name).crt") }
    package func key(_ name: String) -> String { folder.file("\(name).key") }

    package init() throws {
        folder = try TemporaryFolder("certificates")
        for name in ["authority", "otherAuthority"] {
            try run(
                Self.openssl,
                ["req", "-x509", "-days", "2", "-subj", "/CN=\(name)"] + newKey(name)
                    + ["-out", certificate(name)])
        }
    }

    private func newKey(_ name: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key(name)]
    }

    /// Makes a certificate signed by an authority. With negative days it has expired.
    package func make(
        _ file: String, name: String, by authority: String = "authority", days: Int = 2
    ) throws {
        let request = folder.file("\(file).csr")
        let kind = name.allSatisfy { $0.isNumber || $0 == "." } ? "IP" : "DNS"
        try run(
            Self.openssl,
            ["req", "-new", "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(kind):\(name)"]
                + newKey(file) + ["-out", request])
        try run(
            Self.openssl,
            ["x509", "-req", "-in", request, "-days", "\(days)", "-copy_extensions", "copy"]
                + ["-CA", certificate(authority), "-CAkey", key(authority), "-CAcreateserial"]
                + ["-out", certificate(file)])
    }
}
