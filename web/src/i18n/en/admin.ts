// Texts of admin/.

export const admin = {
  title: 'Administration',
};
