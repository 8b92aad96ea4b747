/// An operator, an account and two users that a server knows by their signatures (operator mode).
/// The keys are of these tests alone, and nothing here ends.
enum SignedUsers {
    static let accountKey = "ACA7YNOQLHYH3TEUM2LBHA5ELE24ESMEDEFMLEQN43ULF7BADENO7NBK"

    static let issuer = """
        eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJQV1Q1U0xUTUtTR1lTUFVDUFM1SFRKTT\
        VJQVRVV1ZXMkZTR01CUEcyNEVHTllBV0dFU1BBIiwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJPQTJIQjZCNUpOQk1\
        WUVA3VjVOSVQ2NFVONzVSUTJaUUxYVFE1WjY2RVFYQzZDNUJISEpXRkI0SSIsIm5hbWUiOiJvcGVyYXRvciIsInN1\
        YiI6Ik9BMkhCNkI1Sk5CTVZRUDdWNU5JVDY0VU43NVJRMlpRTFhUUTVaNjZFUVhDNkM1QkhISldGQjRJIiwibmF0c\
        yI6eyJ0eXBlIjoib3BlcmF0b3IiLCJ2ZXJzaW9uIjoyfX0.A7WhE6yz8cYHDKoh0CS-CwE3py1_bwQAP51M9znCky\
        -iVZiR68le1WFfsbWGmvDLRqnEvDhVcTOuGeHIK2DKAA
        """

    /// Lets both users in.
    static let account = """
        eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJMS0dUV01CSktLWjMyWEFSMlpYV1FCM1\
        ZWQVlDQ0wzRzRQRUQ2VkI2NDNLV01ISjdKM0pRIiwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJPQTJIQjZCNUpOQk1\
        WUVA3VjVOSVQ2NFVONzVSUTJaUUxYVFE1WjY2RVFYQzZDNUJISEpXRkI0SSIsIm5hbWUiOiJhY2NvdW50Iiwic3Vi\
        IjoiQUNBN1lOT1FMSFlIM1RFVU0yTEJIQTVFTEUyNEVTTUVERUZNTEVRTjQzVUxGN0JBREVOTzdOQksiLCJuYXRzI\
        jp7ImxpbWl0cyI6eyJzdWJzIjotMSwiZGF0YSI6LTEsInBheWxvYWQiOi0xLCJpbXBvcnRzIjotMSwiZXhwb3J0cy\
        I6LTEsIndpbGRjYXJkcyI6dHJ1ZSwiY29ubiI6LTEsImxlYWYiOi0xfSwiZGVmYXVsdF9wZXJtaXNzaW9ucyI6eyJ\
        wdWIiOnt9LCJzdWIiOnt9fSwidHlwZSI6ImFjY291bnQiLCJ2ZXJzaW9uIjoyfX0.Zak6qE54hHVTWcVRryf0O4xW\
        T8mu0qwpSRU0CYvnwJNSutSg-KaK6nCIEke9auKa7pqO2Us1H44dHFK7OSSGDQ
        """

    /// The same account, which lets in the second user alone.
    static let revoking = """
        eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJZNkNLU1FXRFQ3SUhWU09ONDMzSTJPNV\
        VLUVoyTTNFTVFJWjZPRVZRVkFUT1pBQUxSQU1RIiwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJPQTJIQjZCNUpOQk1\
        WUVA3VjVOSVQ2NFVONzVSUTJaUUxYVFE1WjY2RVFYQzZDNUJISEpXRkI0SSIsIm5hbWUiOiJhY2NvdW50Iiwic3Vi\
        IjoiQUNBN1lOT1FMSFlIM1RFVU0yTEJIQTVFTEUyNEVTTUVERUZNTEVRTjQzVUxGN0JBREVOTzdOQksiLCJuYXRzI\
        jp7ImxpbWl0cyI6eyJzdWJzIjotMSwiZGF0YSI6LTEsInBheWxvYWQiOi0xLCJpbXBvcnRzIjotMSwiZXhwb3J0cy\
        I6LTEsIndpbGRjYXJkcyI6dHJ1ZSwiY29ubiI6LTEsImxlYWYiOi0xfSwiZGVmYXVsdF9wZXJtaXNzaW9ucyI6eyJ\
        wdWIiOnt9LCJzdWIiOnt9fSwicmV2b2NhdGlvbnMiOnsiVURWSDRLQ0NQQUIzRDRSSDZNRkYzRzdSU0ZaNTZISkVF\
        SUJMVElaRDVFQUczUUJXWFNVU0I0S0kiOjE4MDAwMDAwMDB9LCJ0eXBlIjoiYWNjb3VudCIsInZlcnNpb24iOjJ9f\
        Q.Qr9P4cL_ZHa35doOD2k_53ds8eUAl0mtu9S2JBuiQaWlK--sJB2j6ENCCwVh3c-SDzXjody7Idxf3csJ5WFaDQ
        """

    private static let firstToken = """
        eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJPT1c1S0dNQ1ZQTEg3UU43UTNMWkxSVz\
        I3U0FVUDcyS0dSV05ZWjZENVpBSFJGUVJWQVlBIiwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJBQ0E3WU5PUUxIWUg\
        zVEVVTTJMQkhBNUVMRTI0RVNNRURFRk1MRVFONDNVTEY3QkFERU5PN05CSyIsIm5hbWUiOiJmaXJzdCIsInN1YiI6\
        IlVEVkg0S0NDUEFCM0Q0Ukg2TUZGM0c3UlNGWjU2SEpFRUlCTFRJWkQ1RUFHM1FCV1hTVVNCNEtJIiwibmF0cyI6e\
        yJwdWIiOnt9LCJzdWIiOnt9LCJzdWJzIjotMSwiZGF0YSI6LTEsInBheWxvYWQiOi0xLCJ0eXBlIjoidXNlciIsIn\
        ZlcnNpb24iOjJ9fQ.mxuwmTNITUHuP6loa5msV2UM71H6PzYCs-d6-Ipf8Y7OlcUurxgT11P2n4cdlDq9Ni9lC2L9\
        evBwOtXw6ac2AQ
        """

    private static let secondToken = """
        eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiI1SURUS0gzNERRNlBVTDRaVjVIRlNTR1\
        dGM1Y3UzJWVkhPS0lCVkgzNUpNSkxKWVdZRkJBIiwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJBQ0E3WU5PUUxIWUg\
        zVEVVTTJMQkhBNUVMRTI0RVNNRURFRk1MRVFONDNVTEY3QkFERU5PN05CSyIsIm5hbWUiOiJzZWNvbmQiLCJzdWIi\
        OiJVQkFXNUpNSEM1NkRFV0pJQTZRV0FSTVAzTzJOWUg1R1dPN0ZaUDRUTFRXV01SRVkyMlFNWURETCIsIm5hdHMiO\
        nsicHViIjp7fSwic3ViIjp7fSwic3VicyI6LTEsImRhdGEiOi0xLCJwYXlsb2FkIjotMSwidHlwZSI6InVzZXIiLC\
        J2ZXJzaW9uIjoyfX0.mmd3TUzRAImwsNuqEAzLoZf0Z5oUNOQPhfBJjW8Cv58ydKUymdjrw-MCYoqKbSJlvnLpFDc\
        rh8IBXGaFKt4zBQ
        """

    /// The credentials files of the users.
    static let first = file(
        firstToken, "SUAA5NMFKGUGYHJBCI5N77LSG6H5GCLU2VZXU3JW6C6M2P255T2GL6WECE")
    static let second = file(
        secondToken, "SUACTVMKWWF4PGLVJFOCF2T6XHEIPLRFK2OQHMLAQ6B7PPU6EV5YSS5TXE")

    /// What a server is told of them.
    static func configuration(_ account: String) -> String {
        """
        operator: "\(issuer)"
        resolver: MEMORY
        resolver_preload: { \(accountKey): "\(account)" }
        """
    }

    private static func file(_ token: String, _ seed: String) -> String {
        """
        -----BEGIN NATS USER JWT-----
        \(token)
        ------END NATS USER JWT------

        -----BEGIN USER NKEY SEED-----
        \(seed)
        ------END USER NKEY SEED------

        """
    }
}
