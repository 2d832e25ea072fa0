import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.util.Store;

/** Paths on standard input, one line per signature dictionary on standard output: subfilter, whole or part, ok or why not; END after each file. */
public class PdfBoxCheck {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String path = in.readLine(); path != null; path = in.readLine()) {
            try {
                check(Files.readAllBytes(Paths.get(path)));
            } catch (Throwable error) {
                System.out.println("-\t-\t" + said(error));
            }
            System.out.println("END");
            System.out.flush();
        }
    }

    static void check(byte[] file) throws Exception {
        try (PDDocument document = PDDocument.load(file)) {
            for (PDSignature signature : document.getSignatureDictionaries()) {
                String whole = "part", result;
                try {
                    int[] range = signature.getByteRange();
                    whole = range.length == 4 && range[0] == 0 && range[2] + range[3] == file.length ? "whole" : "part";
                    result = verify(signature, file);
                } catch (Throwable error) {
                    result = said(error);
                }
                System.out.println(signature.getSubFilter() + "\t" + whole + "\t" + result);
            }
        }
    }

    static String verify(PDSignature signature, byte[] file) throws Exception {
        byte[] contents = signature.getContents(file), content = signature.getSignedContent(file);
        if ("ETSI.RFC3161".equals(signature.getSubFilter())) {
            return stamp(new TimeStampToken(new CMSSignedData(contents)), content);
        }
        CMSSignedData signed = new CMSSignedData(new CMSProcessableByteArray(content), contents);
        for (SignerInformation signer : signed.getSignerInfos().getSigners()) {
            if (!holds(signer, signed.getCertificates())) return "signature does not verify";
            Attribute token = signer.getUnsignedAttributes() == null ? null : signer.getUnsignedAttributes().get(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
            if (token != null) {
                byte[] der = token.getAttrValues().getObjectAt(0).toASN1Primitive().getEncoded();
                String answer = stamp(new TimeStampToken(new CMSSignedData(der)), signer.getSignature());
                if (!answer.equals("ok")) return answer;
            }
        }
        return signed.getSignerInfos().size() == 1 ? "ok" : "not exactly one signer";
    }

    static String stamp(TimeStampToken token, byte[] over) throws Exception {
        byte[] digest = MessageDigest.getInstance(token.getTimeStampInfo().getMessageImprintAlgOID().getId(), "BC").digest(over);
        if (!Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest())) return "time-stamp over other bytes";
        SignerInformation signer = token.toCMSSignedData().getSignerInfos().getSigners().iterator().next();
        return holds(signer, token.getCertificates()) ? "ok" : "time-stamp does not verify";
    }

    @SuppressWarnings("unchecked")
    static boolean holds(SignerInformation signer, Store<X509CertificateHolder> certificates) throws Exception {
        Collection<X509CertificateHolder> found = certificates.getMatches(signer.getSID());
        if (found.size() != 1) throw new CMSException("signer's certificate: " + found.size());
        return signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(found.iterator().next()));
    }

    static String said(Throwable error) {
        return (error.getClass().getSimpleName() + ": " + error.getMessage()).replaceAll("\\s+", " ");
    }
}
