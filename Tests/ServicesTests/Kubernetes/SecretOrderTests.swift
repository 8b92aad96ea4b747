import Foundation
import TestSupport
import Testing

/// `deploy/kubernetes/secrets.sh` with a stand-in for kubectl.
@Suite("New passwords on Kubernetes")
struct SecretOrderTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("kubernetes")
        // A pod sees a changed Secret when it is asked for the third time. `other` has no such
        // file, and `gone` ends meanwhile.
        let stub = try folder.write(
            """
            #!/bin/sh
            here=$(dirname "$0")
            shift 2
            echo "$@" >>"$here/asked"
            case $* in
                "patch secret"*)
                    for last; do :; done
                    sed 's/.*:"\\(.*\\)"}}/\\1/' "$last" | tr -d '\\n' >"$here/secret" ;;
                "get pods --field-selector"*)
                    printf 'writer-0 ,tapeline-passwords,\\nother tapeline-passwords,\\n'
                    printf 'gone tapeline-passwords,\\nprometheus-0 ,\\n' ;;
                "get pods --selector app.kubernetes.io/name=nats"*)
                    cat "$here/servers" 2>/dev/null || true ;;
                "get pods --selector"*) echo pod/server-0 ;;
                "get pod gone") exit 1 ;;
                "exec gone"*) exit 1 ;;
                "exec other -- sh"*) ;;
                "exec writer-0 -- sh"*)
                    echo x >>"$here/looks"
                    [ "$(wc -l <"$here/looks")" -ge 3 ] || { echo old; exit; }
                    sha256sum <"$here/secret" ;;
                *"touch /tmp/reload") echo later >"$here/time" ;;
                *wget*) echo "{\\"config_load_time\\": \\"$(cat "$here/time" 2>/dev/null)\\"}" ;;
                *psql*) cat >>"$here/asked" ;;
            esac
            """, to: "kubectl")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: stub)
    }

    private func script(_ arguments: String...) throws -> String {
        try run(
            "/bin/sh", ["\(ServerPrograms.checkout)/deploy/kubernetes/secrets.sh"] + arguments,
            environment: [
                "KUBECTL": folder.file("kubectl"), "PATH": "/usr/bin:/bin", "SECRETS_PAUSE": "0",
            ])
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOfFile: folder.file(name), encoding: .utf8)
    }

    @Test("the server is asked when all pods have the new password, and not before")
    func order() throws {
        try folder.write("pod/nats-0\n", to: "servers")
        let said = try script("nats-writer")
        #expect(said.hasSuffix("pod/nats-0 has read its configuration\nnats-writer is new"))
        let secret = try read("secret")
        #expect(secret.hasPrefix("p") && secret.utf8.count == 49)
        let asked = try read("asked").split(separator: "\n").map(String.init)
        let reload = try #require(asked.firstIndex { $0.contains("touch /tmp/reload") })
        let look = try #require(asked.lastIndex { $0.contains("exec writer-0") })
        #expect(asked[0].hasPrefix("patch secret tapeline-passwords") && look < reload)
        #expect(asked.count { $0.contains("exec writer-0") } == 3)
        #expect(!asked.contains { $0.contains(secret) || $0.contains("exec prometheus-0") })
    }

    @Test("a role is altered in the server, without its password among the arguments")
    func role() throws {
        #expect(try script("postgres-writer").hasSuffix("postgres-writer is new"))
        let asked = try read("asked").split(separator: "\n").map(String.init)
        let secret = try read("secret")
        #expect(asked.last == "ALTER ROLE tapeline_writer PASSWORD '\(secret)';")
        #expect(!asked.dropLast().contains { $0.contains(secret) })
    }

    @Test("for servers of one's own it says what is left; what is no password is refused")
    func others() throws {
        let said = try script("nats-writer")
        #expect(said.contains("now give it to the user writer of the NATS of your own"), "\(said)")
        for words in [[], ["nats-cluster"], ["x"], ["nats-"], ["nats-writer", "b"], ["nats-a;b"]] {
            let error = #expect(throws: ProgramFailure.self) {
                try run(
                    "/bin/sh", ["\(ServerPrograms.checkout)/deploy/kubernetes/secrets.sh"] + words,
                    environment: ["KUBECTL": folder.file("kubectl"), "PATH": "/usr/bin:/bin"])
            }
            #expect(error?.message.hasPrefix("secrets.sh: write ") == true, "\(words)")
        }
    }
}
